"""Statements on tokens and annotators."""

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.db.tables import Annotator, Token


def live_by_hash(session: Session, token_hash: bytes) -> tuple[Token, str] | None:
    """Return (token, annotator's name) unless it is unknown, revoked or expired."""
    row = session.execute(
        select(Token, Annotator.name)
        .join(Annotator, Annotator.id == Token.annotator_id)
        .where(
            Token.token_hash == token_hash,
            Token.revoked_at.is_(None),
            or_(Token.expires_at.is_(None), Token.expires_at > func.now()),
        )
    ).one_or_none()
    return (row[0], row[1]) if row else None


def annotator_id(session: Session, name: str) -> int:
    """Return the id of the annotator of this name, inserted if there is none."""
    session.execute(insert(Annotator).values(name=name).on_conflict_do_nothing())
    return session.scalars(select(Annotator.id).where(Annotator.name == name)).one()


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
