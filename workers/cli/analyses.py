"""Commands that let a worker find something out of the labels at hand, and wait for it."""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.config import read_settings
from workers.cli.connect import sessions
from workers.cli.tables import interval, print_table

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.db.tables import Analysis, AnalysisKind, Job
    from app.schemas.audits import ComparisonOut

ASK_SECONDS = 0.5

ProjectId = Annotated[int, typer.Argument(help="Project id.")]
AsJson = Annotated[bool, typer.Option("--json", help="What the API answers instead.")]


def labels_saved(project: ProjectId, *, as_json: AsJson = False) -> None:
    """Estimate how many labels the strategy saved against uniform selection; a worker trains."""
    from app.db.tables import AnalysisKind  # noqa: PLC0415
    from app.schemas.labels_saved import LabelsSavedOut  # noqa: PLC0415
    from app.services.labels_saved import estimate_labels_saved  # noqa: PLC0415

    settings = read_settings()
    shown = _answered(
        project,
        AnalysisKind.LABELS_SAVED,
        LabelsSavedOut,
        lambda session: estimate_labels_saved(session, project, settings),
    )
    if as_json:
        typer.echo(shown.model_dump_json(indent=2))
        return
    found = shown.result
    typer.echo(
        f"{found.n_labeled} labels reach an accuracy of {found.accuracy:.3f} ({found.low:.3f} to "
        f"{found.high:.3f}). A uniform selection would need {_labels(found.n_needed)} "
        f"({_labels(found.n_needed_low)} to {_labels(found.n_needed_high)}), judged by "
        f"{found.n_uniform_labels} uniform labels."
    )


def audit(
    project: ProjectId,
    strategy: Annotated[
        str | None, typer.Option(help="Whose scores; by default the newest round's.")
    ] = None,
    n_sample: Annotated[int, typer.Option(min=100, help="Unlabeled items to score.")] = 2000,
    *,
    as_json: AsJson = False,
) -> None:
    """Train proxy and target on the labels at hand, and compare how they score the pool."""
    from app.db.tables import AnalysisKind  # noqa: PLC0415
    from app.schemas.audits import AuditOut  # noqa: PLC0415
    from app.services.audits import AuditIn, create_audit  # noqa: PLC0415

    settings = read_settings()
    wanted = AuditIn(strategy, n_sample)
    shown = _answered(
        project,
        AnalysisKind.AUDIT,
        AuditOut,
        lambda session: create_audit(session, project, wanted, settings),
    )
    if as_json:
        typer.echo(shown.model_dump_json(indent=2))
        return
    _show_comparison(shown.result)


def advise(
    project: ProjectId,
    seconds: Annotated[
        float, typer.Option(min=1, help="Budget of all trainings; the target's two count in it.")
    ] = 3600,
    strategy: Annotated[
        str | None, typer.Option(help="Whose scores; by default the newest round's.")
    ] = None,
    n_sample: Annotated[int, typer.Option(min=100, help="Unlabeled items to score.")] = 2000,
    *,
    as_json: AsJson = False,
) -> None:
    """Find the cheapest proxy that scores the pool as the target: a worker tries candidates."""
    from app.db.tables import AnalysisKind  # noqa: PLC0415
    from app.schemas.proxy_advice import ProxyAdviceOut  # noqa: PLC0415
    from app.services.proxy_advice import ProxyAdviceIn, ask_proxy_advice  # noqa: PLC0415

    settings = read_settings()
    wanted = ProxyAdviceIn(seconds, strategy, n_sample)
    shown = _answered(
        project,
        AnalysisKind.PROXY_ADVICE,
        ProxyAdviceOut,
        lambda session: ask_proxy_advice(session, project, wanted, settings),
    )
    if as_json:
        typer.echo(shown.model_dump_json(indent=2))
        return
    found = shown.result
    _show_comparison(found.comparison)
    if found.recommended is None:
        typer.echo("None of them reaches what two trainings of the target give.")
    else:
        cost, target = (found.selection_seconds[n] for n in (found.recommended, "target"))
        typer.echo(
            f"Take {found.recommended}: a selection takes {cost:.1f} s, by the target {target:.1f}."
        )
    if found.not_tried:
        typer.echo(f"Not tried, for want of seconds: {'; '.join(found.not_tried)}.")


def label_errors(
    project: ProjectId,
    judge: Annotated[str, typer.Option(help="proxy or target: the model that judges.")] = "proxy",
    n: Annotated[int, typer.Option("--show", min=1, max=1000, help="Labels to show.")] = 20,
    *,
    as_json: AsJson = False,
) -> None:
    """Find the labels that are likely wrong: a worker trains models that judge them."""
    from app.db.queries import projects  # noqa: PLC0415
    from app.db.session import transaction  # noqa: PLC0415
    from app.db.tables import AnalysisKind  # noqa: PLC0415
    from app.presenters.label_errors import present_suspected  # noqa: PLC0415
    from app.schemas.label_errors import LabelErrorsOut, SuspectedLabelPage  # noqa: PLC0415
    from app.services.label_errors import Judge, find_label_errors, suspected_page  # noqa: PLC0415

    if judge not in list(Judge):
        raise typer.BadParameter(f"--judge is {' or '.join(Judge)}, not {judge}.")
    settings = read_settings()
    shown = _answered(
        project,
        AnalysisKind.LABEL_ERRORS,
        LabelErrorsOut,
        lambda session: find_label_errors(session, project, Judge(judge), settings),
    )
    with sessions() as factory, transaction(factory) as session:
        classes_ = projects.get(session, project).classes
        page = suspected_page(session, project, shown.id, -1, n)
    items = [present_suspected(found, classes_) for found in page]
    if as_json:
        answer = SuspectedLabelPage(items=items, next_cursor=None)
        typer.echo(answer.model_dump_json(indent=2, by_alias=True))
        return
    found = shown.result
    typer.echo(f"Of {found.n_checked} labels about {found.n_expected} are wrong; the likeliest:")
    rows = [
        (
            i.external_id,
            i.class_,
            f"{i.suggested} ({i.suggested_probability:.2f})",
            f"{i.suspicion:.3f}",
            ", ".join(i.reasons),
        )
        for i in items
    ]
    print_table(("item", "label", "suggested", "suspicion", "reasons"), rows)


def _show_comparison(found: "ComparisonOut") -> None:
    typer.echo(
        f"{found.strategy} on {found.n_sample} of {found.n_pool} unlabeled items; the overlap is "
        f"of the top {found.n_top}."
    )
    rows = [
        (
            m.name,
            interval(m.correlation),
            interval(m.overlap),
            f"{m.train_seconds:.1f}",
            f"{m.score_seconds:.1f}",
        )
        for m in found.models
    ]
    for number, cost in enumerate(found.targets):
        ceiling = (interval(found.ceiling), interval(found.ceiling_overlap)) if number else ("", "")
        name = "target, another seed" if number else "target"
        seconds = (f"{cost.train_seconds:.1f}", f"{cost.score_seconds:.1f}")
        rows.append((name, *ceiling, *seconds))
    print_table(("model", "correlation", "overlap", "training s", "scoring s"), rows)


def _labels(n: float | None) -> str:
    return "more than the pool holds" if n is None else f"{n:.0f}"


def _answered(
    project_id: int,
    kind: "AnalysisKind",
    response: type[Any],
    ask: "Callable[[Session], tuple[Analysis, Job]]",
) -> Any:
    """Ask for an analysis, wait for its job, and return what the API would answer.

    Raises:
        ValueError: its job failed, or was cancelled.
    """
    from app.db.queries import analyses  # noqa: PLC0415
    from app.db.session import transaction  # noqa: PLC0415
    from app.domain.states import LIVE_JOB_STATES, JobState  # noqa: PLC0415
    from app.presenters.jobs import present_with_job  # noqa: PLC0415

    with sessions() as factory:
        with transaction(factory) as session:
            analysis, job = ask(session)
        typer.echo(f"Analysis {analysis.id} waits for a worker.", err=True)
        said = None
        while job.state in LIVE_JOB_STATES:
            time.sleep(ASK_SECONDS)
            with transaction(factory) as session:
                found = analyses.get(session, project_id, analysis.id, kind)
            assert found is not None  # noqa: S101 - analyses are not deleted
            analysis, job = found
            if job.progress and job.progress != said:
                said = job.progress
                typer.echo(json.dumps(said), err=True)
    if job.state != JobState.SUCCEEDED:
        raise ValueError(f"The job of analysis {analysis.id} is {job.state}: {job.error}")
    return present_with_job(response, analysis, job)
