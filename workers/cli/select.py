"""`svp select` and `svp replay-selection`: selections outside of, and after, the service."""

from pathlib import Path
from typing import Annotated

import typer


def select(  # noqa: PLR0913 - the command's options
    strategy: Annotated[str, typer.Argument(help="e.g. least_confidence, k_centers, badge.")],
    *,
    budget: Annotated[int, typer.Option(help="How many items to select.")],
    out: Annotated[
        Path | None, typer.Option(help="int64 indices in order of selection (.npy).")
    ] = None,
    features: Annotated[Path | None, typer.Option(help="Features of all items, [n, d].")] = None,
    probs: Annotated[Path | None, typer.Option(help="Class probabilities, [n, C].")] = None,
    labels: Annotated[Path | None, typer.Option(help="Class indices, [n]: for core-sets.")] = None,
    forgetting: Annotated[
        Path | None, typer.Option(help="Forgetting events, [n] int64; -1 = never learned.")
    ] = None,
    labeled: Annotated[
        Path | None, typer.Option(help="Indices of labeled items; all others are the pool.")
    ] = None,
    labeled_features: Annotated[
        Path | None, typer.Option(help="Instead of --labeled: their features, [m, d].")
    ] = None,
    pool: Annotated[
        Path | None, typer.Option(help="Indices of the pool. [all that are not labeled]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    class_balance: Annotated[
        bool, typer.Option("--class-balance", help="The same number of each class.")
    ] = False,
    duplicate_similarity: Annotated[
        float | None, typer.Option(help="Cosine similarity from which items are doubles.")
    ] = None,
    control_fraction: Annotated[
        float, typer.Option(help="Share drawn uniformly; see --control-out.")
    ] = 0.0,
    candidates: Annotated[
        str | None, typer.Option(help="neighbours:K (of each labeled item) or uniform:N.")
    ] = None,
    recall: Annotated[
        bool, typer.Option("--recall", help="Also scan the whole pool: what candidates missed.")
    ] = False,
    scores_out: Annotated[Path | None, typer.Option(help="Scores of the selected (.npy).")] = None,
    control_out: Annotated[
        Path | None, typer.Option(help="Whether each was drawn uniformly (.npy).")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:1; for k_centers.")] = "cpu",
    state: Annotated[
        Path | None, typer.Option(help="k_centers keeps its state here, and resumes from it.")
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Say what k_centers will need, and stop.")
    ] = False,
) -> None:
    """Select from arrays on disk (.npy, memory-mapped); writes int64 indices in order of selection.

    Under torchrun, k_centers takes a pool in shards: `{rank}` in --features names each process's
    own file; the selection is exact, an index counts through the shards in their order.
    """
    from app.domain.json_fields import from_json  # noqa: PLC0415
    from selection.options import SelectionOptions  # noqa: PLC0415
    from selection.watch import Watch  # noqa: PLC0415
    from workers.arrays.files import Arrays  # noqa: PLC0415
    from workers.arrays.selection import (  # noqa: PLC0415
        ArraySelection,
        estimate_selection,
        select_from_arrays,
    )

    asked = ArraySelection(
        strategy,
        Arrays(features, probs, labels, forgetting, labeled, labeled_features, pool),
        budget,
        seed,
        from_json(
            SelectionOptions,
            {
                "class_balance": class_balance,
                "duplicate_similarity": duplicate_similarity,
                "control_fraction": control_fraction,
                "candidates": _parse_candidates(candidates),
                "measure_recall": recall,
            },
        ),
    )
    if estimate:
        typer.echo(estimate_selection(asked))
        return
    if out is None:
        raise ValueError("Give --out: where the indices are written.")
    outputs = {"index": out, "scores": scores_out, "control": control_out}
    typer.echo(select_from_arrays(asked, Watch(device, state_file=state), outputs))


def replay_selection(
    project: Annotated[int, typer.Argument(help="Project id.")],
    number: Annotated[int, typer.Argument(help="Round number.")],
) -> None:
    """Repeat a round's selection from what was stored; exit 1 if the indices differ."""
    from app.config import read_settings  # noqa: PLC0415
    from app.storage.artifacts import ArtifactStore  # noqa: PLC0415
    from workers.cli.connect import sessions  # noqa: PLC0415
    from workers.jobs import replay  # noqa: PLC0415

    settings = read_settings()
    store = ArtifactStore(settings.artifact_store_url)
    with sessions() as factory:
        found = replay.replay_selection(factory, store, settings, project, number)
    where = f"on {found.device}"
    if found.device != found.stored_device:
        where += f" (it was selected on {found.stored_device}, which may round otherwise)"
    if found.first_difference is None:
        typer.echo(
            f"Round {number}: {found.strategy} gives the same {found.n} indices {where}; scores "
            f"differ by at most {found.score_difference:.2g}."
        )
        return
    raise ValueError(
        f"Round {number}: {found.strategy} differs from rank {found.first_difference} of {found.n} "
        f"on, repeated {where}."
    )


def _parse_candidates(text: str | None) -> dict[str, object] | None:
    if text is None:
        return None
    kind, colon, n = text.partition(":")
    if not colon or not n.isdigit():
        raise ValueError(f"--candidates needs neighbours:K or uniform:N, not {text!r}.")
    return {"kind": kind, "n": int(n)}
