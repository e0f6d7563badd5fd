"""`svp token`: bearer tokens for annotators, tools and admins."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from workers.cli.connect import sessions

commands = typer.Typer(help="Create, list and revoke bearer tokens.", no_args_is_help=True)


@commands.command("create")
def create_token(  # noqa: PLR0913 - the options of a command
    name: Annotated[str, typer.Argument(help="Name of the annotator or tool.")],
    role: Annotated[str, typer.Option(help="admin, lead, annotator or reader.")] = "annotator",
    *,
    project: Annotated[int | None, typer.Option(help="Reaches only this project.")] = None,
    all_projects: Annotated[
        bool, typer.Option("--all-projects", help="Reaches every project, in place of --project.")
    ] = False,
    act_as: Annotated[bool, typer.Option(help="May label for other annotators.")] = False,
    annotator: Annotated[
        list[str] | None, typer.Option(help="With --act-as: only for this one; may be repeated.")
    ] = None,
    max_annotators: Annotated[
        int, typer.Option(min=1, help="With --act-as: for at most so many.")
    ] = 50,
    expires_days: Annotated[float | None, typer.Option(help="Ends after so many days.")] = None,
) -> None:
    """Create a token and print it; it is shown only this once."""
    from app.db.session import transaction  # noqa: PLC0415
    from app.db.tables import Role  # noqa: PLC0415
    from app.services import tokens  # noqa: PLC0415

    if (project is None) != all_projects:
        raise typer.BadParameter("Give either --project ID or --all-projects: what it reaches.")
    expires_at = datetime.now(UTC) + timedelta(days=expires_days) if expires_days else None
    with sessions() as factory, transaction(factory) as session:
        clear, _ = tokens.create_token(
            session,
            name,
            Role(role),
            project_id=project,
            act_as=act_as,
            annotators=annotator or None,
            max_annotators=max_annotators,
            expires_at=expires_at,
        )
    typer.echo(clear)


@commands.command("list")
def list_tokens() -> None:
    """List all tokens without their secrets."""
    from app.db.queries import tokens  # noqa: PLC0415
    from app.db.session import transaction  # noqa: PLC0415

    with sessions() as factory, transaction(factory) as session:
        for token, name in tokens.list_all(session):
            state = "revoked" if token.revoked_at else "live"
            reach = "all projects" if token.project_id is None else f"project {token.project_id}"
            typer.echo(f"{token.id}\t{name}\t{token.role}\t{state}\t{reach}")


@commands.command("revoke")
def revoke_token(token_id: int) -> None:
    """Revoke a token."""
    from app.db.session import transaction  # noqa: PLC0415
    from app.services import tokens  # noqa: PLC0415

    with sessions() as factory, transaction(factory) as session:
        tokens.revoke_token(session, token_id)
    typer.echo(f"Token {token_id} is revoked.")
