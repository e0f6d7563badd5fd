"""Commands that show what the service has measured of models and classes."""

from typing import Annotated

import typer

from workers.cli.analyses import AsJson, ProjectId
from workers.cli.connect import sessions
from workers.cli.tables import interval, print_table


def metrics(
    project: ProjectId,
    model: Annotated[int | None, typer.Argument(help="Model id; by default the newest.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show how good a model is: by class, with intervals, and its calibration."""
    from app.db.queries import models, projects  # noqa: PLC0415
    from app.db.session import transaction  # noqa: PLC0415
    from app.domain.errors import NotFound  # noqa: PLC0415
    from app.presenters.model_metrics import present_model_metrics  # noqa: PLC0415
    from app.services.model_metrics import read_model_metrics  # noqa: PLC0415

    with sessions() as factory, transaction(factory) as session:
        found = projects.get(session, project)
        known = [m for m in models.list_all(session, project) if model in (None, m.id)]
        if not known:
            raise NotFound("model", model or f"of project {project}")
        shown = present_model_metrics(read_model_metrics(session, found, known[-1]), found.classes)
    if as_json:
        typer.echo(shown.model_dump_json(indent=2, by_alias=True))
        return
    where = "the target" if shown.round is None else f"the proxy of round {shown.round}"
    typer.echo(f"Model {shown.model_id}, {where}: {shown.name} on {shown.n_labeled} labels")
    for split, measured in (("evaluation split", shown.evaluation), ("control arm", shown.control)):
        if measured is None:
            typer.echo(f"\n{split}: not measured")
            continue
        typer.echo(
            f"\n{split}, {measured.n} items: accuracy {interval(measured.accuracy)}, "
            f"mean F1 {interval(measured.macro_f1)}"
        )
        rows = [
            (c.class_, str(c.n), interval(c.precision), interval(c.recall), interval(c.f1))
            for c in measured.classes
        ]
        print_table(("class", "items", "precision", "recall", "F1"), rows)
    if shown.calibration:
        error, scaled = shown.calibration.error, shown.calibration.error_scaled
        typer.echo(
            f"calibration error {error.value:.3f} ({error.low:.3f} to {error.high:.3f}; up to "
            f"{error.by_chance:.3f} by chance), with temperature "
            f"{shown.calibration.temperature:.2f} {scaled.value:.3f}"
        )


def classes(project: ProjectId, *, as_json: AsJson = False) -> None:
    """Show how often each class was found, which are rare, and what each round found of those."""
    from app.db.queries import projects  # noqa: PLC0415
    from app.db.session import transaction  # noqa: PLC0415
    from app.presenters.classes import present_classes  # noqa: PLC0415
    from app.services.classes import read_classes  # noqa: PLC0415

    with sessions() as factory, transaction(factory) as session:
        found = projects.get(session, project)
        shown = present_classes(read_classes(session, found), found.classes)
    if as_json:
        typer.echo(shown.model_dump_json(indent=2, by_alias=True))
        return
    rows = [
        (c.class_, str(c.n_labeled), interval(c.share), "rare" if c.is_rare else "")
        for c in shown.classes
    ]
    print_table(("class", "labeled", f"share ({shown.shares_from})", ""), rows)
    by_round = [
        (
            "import" if r.round is None else str(r.round),
            f"{r.n_rare} of {r.n_labeled}",
            f"{r.n_control_rare} of {r.n_control}",
            str(r.n_classes),
        )
        for r in shown.rounds
    ]
    print_table(("round", "rare, by strategy", "rare, by control arm", "classes so far"), by_round)
