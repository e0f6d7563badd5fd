"""`svp project`: lists projects, shows one, and takes care of them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.connect import sessions

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.db.tables import Project

commands = typer.Typer(
    help="List, copy, rename, archive, reopen and delete projects.", no_args_is_help=True
)

PAGE = 1000
ProjectId = Annotated[int, typer.Argument(help="Project id.")]


@commands.command("list")
def list_projects(
    *, archived: Annotated[bool, typer.Option("--archived", help="The archived ones.")] = False
) -> None:
    """List projects: id, state, labels of the total budget, name."""
    from app.db.queries import projects  # noqa: PLC0415
    from app.db.session import transaction  # noqa: PLC0415

    after = 0
    with sessions() as factory, transaction(factory) as session:
        while page := projects.list_page(session, after, PAGE, archived=archived):
            after = page[-1].id
            for project in page:
                labels = f"{project.n_labeled:,} of {project.total_budget:,}"
                typer.echo(f"{project.id}\t{project.state}\t{labels}\t{project.name}")


@commands.command("show")
def show(project: ProjectId) -> None:
    """Show a project's settings and counts, as the API answers them."""
    from app.db.queries import projects  # noqa: PLC0415
    from app.db.session import transaction  # noqa: PLC0415
    from app.presenters.projects import present_project  # noqa: PLC0415

    with sessions() as factory, transaction(factory) as session:
        shown = present_project(session, projects.get(session, project))
    typer.echo(shown.model_dump_json(indent=2))


@commands.command("rename")
def rename(project: ProjectId, name: Annotated[str, typer.Argument(help="Its new name.")]) -> None:
    """Give a project another name."""
    from app.config import read_settings  # noqa: PLC0415
    from app.services.project_settings import change_project  # noqa: PLC0415

    settings = read_settings()
    _apply(lambda session: change_project(session, project, {"name": name}, settings))


@commands.command("copy")
def copy(
    project: ProjectId, name: Annotated[str, typer.Argument(help="Name of the copy.")]
) -> None:
    """Create a draft with a project's settings, without its items and labels."""
    from app.services.projects import copy_project  # noqa: PLC0415

    _apply(lambda session: copy_project(session, project, name))


@commands.command("archive")
def archive(project: ProjectId) -> None:
    """Archive a project at rest: it leaves the list and can only be read."""
    from app.services.archives import archive_project  # noqa: PLC0415

    _apply(lambda session: archive_project(session, project))


@commands.command("restore")
def restore(project: ProjectId) -> None:
    """Restore an archived project."""
    from app.services.archives import restore_project  # noqa: PLC0415

    _apply(lambda session: restore_project(session, project))


@commands.command("reopen")
def reopen(project: ProjectId) -> None:
    """Reopen a finished project: it is paused, and takes items and other settings."""
    from app.services.lifecycle import reopen_project  # noqa: PLC0415

    _apply(lambda session: reopen_project(session, project))


@commands.command("delete")
def delete(
    name: Annotated[str, typer.Argument(help="The project's name.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a project with its items, labels and models, for good."""
    from app.db.queries import projects  # noqa: PLC0415
    from app.db.session import transaction  # noqa: PLC0415
    from app.domain.names import normalised  # noqa: PLC0415
    from app.services.deletions import delete_project  # noqa: PLC0415

    with sessions() as factory:
        with transaction(factory) as session:
            found = projects.find(session, normalised(name))
            n_items = found.n_pool + found.n_evaluation
            what = f"project {found.id} {found.name!r} with {n_items:,} items"
            what += f" and {found.n_labeled:,} labels"
        if not yes:
            typer.confirm(f"Delete {what} for good?", abort=True)
        with transaction(factory) as session:
            delete_project(session, found.id, name, by="command line")
    typer.echo(f"Deleted {what}. The running service removes its rows and files.")


def _apply(change: "Callable[[Session], Project]") -> None:
    """Apply the change in one transaction, and say what became of the project."""
    from app.db.session import transaction  # noqa: PLC0415

    with sessions() as factory, transaction(factory) as session:
        project = change(session)
        session.flush()
        archived = ", archived" if project.archived_at else ""
        typer.echo(f"Project {project.id} {project.name!r} is {project.state}{archived}.")
