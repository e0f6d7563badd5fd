"""`svp class`: changes the classes of a project that runs."""

from typing import Annotated, Any

import typer

from workers.cli.connect import sessions

commands = typer.Typer(
    help="Add, rename, describe, order, merge and retire classes.", no_args_is_help=True
)

ProjectId = Annotated[int, typer.Argument(help="Project id.")]
Name = Annotated[str, typer.Argument(help="The class.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")]
Hint = Annotated[str, typer.Option(help="For annotators.")]


@commands.command("add")
def add(project: ProjectId, name: Name, *, hint: Hint = "", dry_run: DryRun = False) -> None:
    """Add a class."""
    _change(project, "add", dry_run=dry_run, name=name, hint=hint)


@commands.command("rename")
def rename(project: ProjectId, name: Name, to: Name, *, dry_run: DryRun = False) -> None:
    """Give a class another name."""
    _change(project, "rename", dry_run=dry_run, name=name, to=to)


@commands.command("describe")
def describe(project: ProjectId, name: Name, hint: Name) -> None:
    """Give a class a hint for annotators; "" removes it."""
    _change(project, "describe", dry_run=False, name=name, hint=hint)


@commands.command("reorder")
def reorder(
    project: ProjectId, names: Annotated[list[str], typer.Argument(help="All, in order.")]
) -> None:
    """Show the classes in another order."""
    _change(project, "reorder", dry_run=False, names=names)


@commands.command("merge")
def merge(project: ProjectId, name: Name, into: Name, *, dry_run: DryRun = False) -> None:
    """Make a class part of another, with its labels, for good."""
    _change(project, "merge", dry_run=dry_run, name=name, to=into)


@commands.command("retire")
def retire(project: ProjectId, name: Name, *, dry_run: DryRun = False) -> None:
    """Take no more labels of a class; those that exist count."""
    _change(project, "retire", dry_run=dry_run, name=name)


def _change(project: int, kind: str, *, dry_run: bool, **given: Any) -> None:
    from app.config import read_settings  # noqa: PLC0415
    from app.db.session import transaction  # noqa: PLC0415
    from app.services.class_changes import (  # noqa: PLC0415
        ClassChange,
        ClassChangeKind,
        change_classes,
    )

    change = ClassChange(ClassChangeKind(kind), **given)
    with sessions() as factory, transaction(factory) as session:
        _, effects = change_classes(session, project, change, read_settings(), tries=dry_run)
    typer.echo("\n".join(effects.sentences))
    if dry_run:
        typer.echo("Nothing was changed: this was a dry run.")
