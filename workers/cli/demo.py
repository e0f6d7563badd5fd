"""`svp demo`: the whole loop on real images in under two minutes, with a table and a picture."""

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.client import Client
    from workers.simulation.results import ArmResult
    from workers.simulation.through_api import ImageSet

N_EVALUATION = 497
COMMON = {"minibatch": 32, "learning_rate": 0.05, "crop_padding": 1, "horizontal_flip": False}
PROXY = {"model": "preact8", "recipe": {"epochs": 15, **COMMON}}
TARGET = {"model": "preact20", "recipe": {"epochs": 40, **COMMON}}
BUDGETS = {"initial_budget": 100, "round_budget": 100, "total_budget": 500, "reserve": 0}
ARMS: dict[str, dict[str, Any]] = {
    "proxy": {"proxy": PROXY, "strategy": "least_confidence"},
    "target": {"proxy": TARGET, "strategy": "least_confidence"},
    "uniform": {"proxy": PROXY, "strategy": "uniform"},
}


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("out/demo"),
    seed: Annotated[int, typer.Option(help="Seed of all three arms.")] = 1,
) -> None:
    """Let an oracle label scikit-learn's digits through the service; compare three selectors.

    Each arm is a project of its own: the proxy selects, the target selects for itself, uniform.
    """
    import tempfile  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    from app.client import Client  # noqa: PLC0415
    from app.config import read_settings  # noqa: PLC0415
    from workers.reports.plots import plot_arms  # noqa: PLC0415
    from workers.reports.tables import speedup_markdown, speedup_table  # noqa: PLC0415
    from workers.stack import Stack  # noqa: PLC0415

    console = Console()
    began = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="svp-demo-") as folder:
        Path(folder).chmod(0o755)  # the embedded Postgres runs as a user of its own
        settings = read_settings().model_copy(
            update={"data_folder": Path(folder) / "data", "port": 0, "database_url": None}
        )
        with Stack(settings, say=lambda words: console.print(f"[dim]{words}[/dim]")) as stack:
            console.print(f"The service answers at {stack.url}; 1,797 real images, 10 classes.")
            with Client(stack.url, str(stack.admin_token)) as client:
                arms = _run_arms(client, seed)
    console.print(speedup_table(arms))
    plot_arms(arms, out / "demo.png", "Digits: 100 to 500 labels, one seed")
    (out / "demo.md").write_text(speedup_markdown(arms))
    seconds = time.perf_counter() - began
    (out / "demo.json").write_text(json.dumps(_report(arms, seed, seconds), indent=2) + "\n")
    proxy, target = arms[0], arms[1]
    console.print(
        f"The proxy selected {target.selection_seconds / proxy.selection_seconds:.1f}x faster "
        f"than the target for itself; {_labels_saved(arms)}"
    )
    console.print(
        f"{seconds:.0f} s in all. Picture and figures: {out}/demo.png, demo.md, demo.json"
    )


def _run_arms(client: "Client", seed: int) -> "list[ArmResult]":
    import torch  # noqa: PLC0415

    from workers.simulation.through_api import measure_targets, run_arm  # noqa: PLC0415

    torch.set_num_threads(os.cpu_count() or 1)
    data = read_demo_set(seed)
    results: list[ArmResult] = []
    known_errors: dict[bytes, float] = {}
    with _progress_bars() as bar_of:
        for name, arm in ARMS.items():
            settings = {**BUDGETS, **arm, "target": TARGET, "seed": seed}
            update = bar_of(name)
            result, project = run_arm(client, data, name, settings, update)
            measure_targets(client, project, data, result, known_errors)
            update({"n_labeled": BUDGETS["total_budget"], "state": "finished"}, result)
            results.append(result)
    return results


def read_demo_set(seed: int) -> "ImageSet":
    """Return the digits, shuffled by the seed: 1,300 in the pool, 497 for evaluation."""
    import numpy as np  # noqa: PLC0415

    from models.data.readers import read_digits  # noqa: PLC0415
    from workers.simulation.through_api import ImageSet  # noqa: PLC0415

    images, labels = read_digits()
    order = np.random.default_rng(seed).permutation(len(labels))
    evaluation, pool = order[:N_EVALUATION], order[N_EVALUATION:]
    return ImageSet(
        pool=images.take(pool),
        pool_labels=labels[pool],
        evaluation=images.take(evaluation),
        evaluation_labels=labels[evaluation],
        classes=[str(digit) for digit in range(10)],
    )


@contextmanager
def _progress_bars() -> "Iterator[Callable[[str], Callable[..., None]]]":
    """Yield a function arm -> its update(project, result?): labels, state, accuracy, seconds."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.fields[arm]:<8}"),
        BarColumn(),
        TextColumn("{task.completed:>3.0f}/{task.total:.0f} labels"),
        TextColumn("{task.fields[state]:<15}"),
        TextColumn("{task.fields[accuracy]:<15}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns) as progress:

        def bar_of(arm: str) -> "Callable[..., None]":
            bar = progress.add_task(
                arm, arm=arm, total=BUDGETS["total_budget"], state="starting", accuracy=""
            )

            def update(project: dict[str, Any], result: "ArmResult | None" = None) -> None:
                accuracy = f"accuracy {1 - result.target_errors[-1]:.3f}" if result else ""
                progress.update(
                    bar,
                    completed=project["n_labeled"],
                    state=project["state"],
                    accuracy=accuracy,
                )
                if result:
                    progress.stop_task(bar)

            return update

        yield bar_of


def _labels_saved(arms: "list[ArmResult]") -> str:
    """Return how many labels the proxy's arm needed for uniform's last error."""
    proxy, uniform = arms[0], arms[2]
    reached = [
        n
        for n, error in zip(proxy.n_labels, proxy.target_errors, strict=True)
        if error <= uniform.target_errors[-1]
    ]
    if not reached:
        return "on this seed it saved no labels over uniform."
    saved = uniform.n_labels[-1] - reached[0]
    return f"it reached uniform's error at {uniform.n_labels[-1]} labels with {saved} fewer."


def _report(arms: "list[ArmResult]", seed: int, seconds: float) -> dict[str, Any]:
    import torch  # noqa: PLC0415

    return {
        "command": "make demo",
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} CPU cores, {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "seed": seed,
        "seconds": seconds,
        "budgets": BUDGETS,
        "arms": [arm.to_json() for arm in arms],
    }
