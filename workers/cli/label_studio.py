"""`svp labelstudio`: connects projects with Label Studio and keeps both in step."""

import signal
import sys
import threading
from enum import StrEnum
from typing import Annotated

import typer

from workers.cli.connect import sessions

commands = typer.Typer(
    help="Label a project in Label Studio: connect it, and keep both in step.",
    no_args_is_help=True,
)

ProjectId = Annotated[int, typer.Argument(help="Project id.")]
PATIENCE_SECONDS = 150.0


class OnRoundEnd(StrEnum):
    """The fate of unlabeled tasks of a round that ends early."""

    DELETE = "delete"
    KEEP = "keep"


@commands.command("connect")
def connect(  # noqa: PLR0913 - options
    project: ProjectId,
    *,
    url: Annotated[str, typer.Option(help="Base URL of Label Studio, as this machine reaches it.")],
    token: Annotated[
        str,
        typer.Option(
            envvar="LABEL_STUDIO_TOKEN",
            help="Personal access token or legacy token of one of its users; `-` reads it from "
            "standard input.",
        ),
    ],
    ls_project: Annotated[
        int | None, typer.Option(help="Its project; without, a new one is created.")
    ] = None,
    public_url: Annotated[
        str | None,
        typer.Option(
            help="Base URL of this service, as browsers and Label Studio reach it; for images and "
            "for webhooks."
        ),
    ] = None,
    browser_url: Annotated[
        str | None, typer.Option(help="Base URL of Label Studio, as browsers reach it.")
    ] = None,
    on_round_end: Annotated[
        OnRoundEnd,
        typer.Option(help="Unlabeled tasks of a round that ends early: delete them, or keep them."),
    ] = OnRoundEnd.DELETE,
) -> None:
    """Connect a project with a project of Label Studio; again to change the connection."""
    from app.config import read_settings  # noqa: PLC0415
    from app.db.tables import RoundEnd  # noqa: PLC0415
    from app.services import label_studio  # noqa: PLC0415

    secret = sys.stdin.readline().strip() if token == "-" else token  # noqa: S105 - no secret
    wanted = label_studio.ConnectionIn(
        url, secret, ls_project, public_url, browser_url, RoundEnd(on_round_end)
    )
    with sessions() as factory:
        made = label_studio.connect(factory, project, wanted, read_settings())
    what = "a new project" if made.is_new else "project"
    where = made.connection
    typer.echo(
        f"Project {project} is connected with {what} {where.project_there} {made.title!r} at "
        f"{where.url}."
    )
    if made.webhook_fault is not None:
        typer.echo(f"No webhook wakes the exchange ({made.webhook_fault}); it polls all the same.")
    typer.echo("`svp up` exchanges from now on; elsewhere run `svp labelstudio run`.")


@commands.command("sync")
def sync(
    project: ProjectId,
    *,
    again: Annotated[
        bool, typer.Option("--again", help="Push items, too, whose tasks were deleted there.")
    ] = False,
) -> None:
    """Exchange with Label Studio once: pull annotations, push open items."""
    from app.config import read_settings  # noqa: PLC0415
    from app.db.session import transaction  # noqa: PLC0415
    from app.services import label_studio_sync  # noqa: PLC0415
    from app.services.label_studio_state import require  # noqa: PLC0415

    with sessions() as factory:
        with transaction(factory) as session:
            connection = require(session, project)
        done = label_studio_sync.sync(
            factory,
            connection.id,
            read_settings(),
            again=again,
            patience_seconds=PATIENCE_SECONDS,
        )
    typer.echo(
        f"{done.n_answers} answers taken, {done.n_pushed} tasks pushed, {done.n_deleted} deleted."
    )


@commands.command("run")
def run() -> None:
    """Exchange with Label Studio for every connected project, until stopped."""
    from app.config import read_settings  # noqa: PLC0415
    from app.logging import configure_logging  # noqa: PLC0415
    from workers.service.label_studio import run_label_studio  # noqa: PLC0415

    settings = read_settings()
    configure_logging(settings)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    typer.echo("Exchanging with Label Studio until stopped.")
    with sessions() as factory:
        run_label_studio(factory, settings, stopped)


@commands.command("status")
def status(project: ProjectId) -> None:
    """Show how a project's connection does."""
    from app.db.session import transaction  # noqa: PLC0415
    from app.services.label_studio_state import read_connection, require  # noqa: PLC0415

    with sessions() as factory, transaction(factory) as session:
        facts = read_connection(session, require(session, project))
    connection = facts.connection
    typer.echo(f"Label Studio\t{connection.url}, project {connection.project_there}")
    typer.echo(f"last exchange\t{connection.synced_at or 'none yet'}")
    if connection.error is not None:
        typer.echo(f"failing\t{connection.n_failures} times: {connection.error}")
    typer.echo(f"tasks there\t{facts.counts.n_live:,}")
    typer.echo(f"tasks gone\t{facts.counts.n_gone:,}")
    for code, n in facts.waiting.items():
        typer.echo(f"annotations that wait ({code})\t{n:,}")


@commands.command("disconnect")
def disconnect(project: ProjectId) -> None:
    """End a project's connection: its items are free again, labels stay."""
    from app.config import read_settings  # noqa: PLC0415
    from app.services import label_studio  # noqa: PLC0415

    with sessions() as factory:
        was = label_studio.disconnect(factory, project, read_settings())
    typer.echo(
        f"Project {project} is no longer connected. Project {was.project_there} at {was.url} is "
        "left as it is."
    )
