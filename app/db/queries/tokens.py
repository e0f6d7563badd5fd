"""Statements on tokens and annotators."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.db.tables import Annotator, Role, Token


@dataclass(frozen=True)
class Caller:
    """Who makes a request, by its token."""

    annotator_id: int
    name: str
    role: Role
    act_as: bool
    project_id: int | None


_LIVE = (
    select(Annotator.id, Annotator.name, Token.role, Token.act_as, Token.project_id)
    .join(Token, Token.annotator_id == Annotator.id)
    .where(
        Token.token_hash == bindparam("token_hash"),
        Token.revoked_at.is_(None),
        or_(Token.expires_at.is_(None), Token.expires_at > func.now()),
    )
)


def live_by_hash(session: Session, token_hash: bytes) -> Caller | None:
    """Return who holds the token, unless it is unknown, revoked or expired."""
    row = session.execute(_LIVE, {"token_hash": token_hash}).one_or_none()
    return Caller(row[0], row[1], Role(row[2]), row[3], row[4]) if row else None


def annotator_id(session: Session, name: str) -> int:
    """Return the id of the annotator of this name, inserted if there is none."""
    session.execute(insert(Annotator).values(name=name).on_conflict_do_nothing())
    return session.scalars(select(Annotator.id).where(Annotator.name == name)).one()


def ids_by_name(session: Session, names: Sequence[str]) -> dict[str, int]:
    """Return name -> id of the annotators of these names that exist."""
    rows = session.execute(select(Annotator.name, Annotator.id).where(Annotator.name.in_(names)))
    return {name: id_ for name, id_ in rows}  # noqa: C416 - dict(rows) loses the types


def names_by_id(session: Session, annotator_ids: Sequence[int]) -> dict[int, str]:
    """Return id -> name of these annotators."""
    rows = session.execute(
        select(Annotator.id, Annotator.name).where(Annotator.id.in_(annotator_ids))
    )
    return {id_: name for id_, name in rows}  # noqa: C416 - dict(rows) loses the types


def any_token(session: Session) -> bool:
    """Return whether a token was ever created."""
    return session.scalar(select(Token.id).limit(1)) is not None


def list_all(session: Session) -> list[tuple[Token, str]]:
    """Return every token with its annotator's name, oldest first."""
    rows = session.execute(
        select(Token, Annotator.name)
        .join(Annotator, Annotator.id == Token.annotator_id)
        .order_by(Token.id)
    )
    return [(token, name) for token, name in rows]


def revoke(session: Session, token_id: int) -> bool:
    """Revoke the token; False if there is none."""
    row = session.execute(
        update(Token)
        .where(Token.id == token_id)
        .values(revoked_at=func.coalesce(Token.revoked_at, func.now()))
        .returning(Token.id)
    ).one_or_none()
    return row is not None
