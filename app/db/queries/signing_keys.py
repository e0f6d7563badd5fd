"""Statements on signing keys."""

import secrets

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.db.tables import SigningKey

KEY_BYTES = 32


def key_for(session: Session, purpose: str) -> bytes:
    """Return the key for this purpose, the same in all processes; create it the first time."""
    session.execute(
        insert(SigningKey)
        .values(purpose=purpose, key=secrets.token_bytes(KEY_BYTES))
        .on_conflict_do_nothing()
    )
    return session.scalars(select(SigningKey.key).where(SigningKey.purpose == purpose)).one()
