"""Bearer tokens: shown once, stored as a hash; the token is the annotator."""

import hashlib
import secrets
from datetime import datetime

from sqlalchemy.orm import Session

from app.db.queries import projects, tokens
from app.db.queries.tokens import Caller
from app.db.tables import Role, Token
from app.domain.errors import NotAllowed, NotAuthenticated, NotFound


def create_token(
    session: Session,
    name: str,
    role: Role,
    *,
    act_as: bool = False,
    project_id: int | None = None,
    expires_at: datetime | None = None,
) -> tuple[str, Token]:
    """Return (the token in clear, its row). The clear token can never be read again.

    Raises:
        NotFound: there is no such project to narrow it to.
    """
    if project_id is not None:
        projects.get(session, project_id)
    clear = f"svp_{secrets.token_urlsafe(32)}"
    token = Token(
        token_hash=_hash(clear),
        annotator_id=tokens.annotator_id(session, name),
        role=role,
        act_as=act_as,
        project_id=project_id,
        expires_at=expires_at,
    )
    session.add(token)
    session.flush()
    session.refresh(token)
    return clear, token


def ensure_admin_token(session: Session) -> str | None:
    """Return a new admin token if no token was ever created, else None."""
    if tokens.any_token(session):
        return None
    return create_token(session, "admin", Role.ADMIN)[0]


def authenticate(session: Session, clear: str) -> Caller:
    """Return who holds this token.

    Raises:
        NotAuthenticated: it is unknown, revoked or expired.
    """
    caller = tokens.live_by_hash(session, _hash(clear))
    if caller is None:
        raise NotAuthenticated(
            "The token is unknown, revoked or expired; ask an admin for a new one "
            "(svp token create)."
        )
    return caller


def acting_annotator(session: Session, caller: Caller, annotator: str | None) -> int:
    """Return the id of the annotator that a request acts for.

    Raises:
        NotAllowed: the token may not act for another annotator.
    """
    if annotator is None or annotator == caller.name:
        return caller.annotator_id
    if not caller.act_as:
        raise NotAllowed(
            "This token may not pass `annotator`; leave it out, or ask for a token with act_as."
        )
    return tokens.annotator_id(session, annotator)


def revoke_token(session: Session, token_id: int) -> None:
    """Revoke a token; its holder is refused from now on.

    Raises:
        NotFound: no such token.
    """
    if not tokens.revoke(session, token_id):
        raise NotFound("token", token_id)


def _hash(clear: str) -> bytes:
    return hashlib.sha256(clear.encode()).digest()
