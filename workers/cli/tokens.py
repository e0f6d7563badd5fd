"""`svp token`: bearer tokens for annotators, tools and admins."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from workers.cli.connect import session_factory

commands = typer.Typer(help="Create, list and revoke bearer tokens.", no_args_is_help=True)


@commands.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="Name of the annotator or tool.")],
    role: Annotated[str, typer.Option(help="admin or annotator.")] = "annotator",
    *,
    act_as: Annotated[bool, typer.Option(help="May label for other annotators.")] = False,
    project: Annotated[int | None, typer.Option(help="Reaches only this project.")] = None,
    expires_days: Annotated[float | None, typer.Option(help="Ends after so many days.")] = None,
) -> None:
    """Create a token and print it; it is shown only this once."""
    from app.db.session import transaction  # noqa: PLC0415
    from app.db.tables import Role  # noqa: PLC0415
    from app.services import tokens  # noqa: PLC0415

    expires_at = datetime.now(UTC) + timedelta(days=expires_days) if expires_days else None
    with transaction(session_factory()) as session:
        clear, _ = tokens.create_token(
            session, name, Role(role), act_as=act_as, project_id=project, expires_at=expires_at
        )
    typer.echo(clear)


@commands.command("list")
def list_tokens() -> None:
    """List all tokens without their secrets."""
    from app.db.queries import tokens  # noqa: PLC0415
    from app.db.session import transaction  # noqa: PLC0415

    with transaction(session_factory()) as session:
        for token, name in tokens.list_all(session):
            state = "revoked" if token.revoked_at else "live"
            typer.echo(f"{token.id}\t{name}\t{token.role}\t{state}")


@commands.command("revoke")
def revoke_token(token_id: int) -> None:
    """Revoke a token."""
    from app.db.session import transaction  # noqa: PLC0415
    from app.services import tokens  # noqa: PLC0415

    with transaction(session_factory()) as session:
        tokens.revoke_token(session, token_id)
    typer.echo(f"Token {token_id} is revoked.")
