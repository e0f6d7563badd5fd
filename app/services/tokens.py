"""Bearer tokens: shown once, stored as a hash; the token is the annotator."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from app.db.queries import projects, tokens
from app.db.queries.tokens import Caller
from app.db.tables import Role, Token
from app.domain.errors import NotAllowed, NotAuthenticated, NotFound, TooManyAnnotators
from app.domain.names import normalised

MAX_ANNOTATORS = 50  # whom a tool's token may act for unless it was created for more


def create_token(  # noqa: PLR0913 - by name: the token's fields
    session: Session,
    name: str,
    role: Role,
    *,
    project_id: int | None,
    act_as: bool = False,
    annotators: Sequence[str] | None = None,
    max_annotators: int = MAX_ANNOTATORS,
    expires_at: datetime | None = None,
) -> tuple[str, Token]:
    """Return (the token in clear, its row). The clear token can never be read again.

    Args:
        session: whose transaction this is.
        name: of the annotator who holds it.
        role: what it may do.
        project_id: the only project that it reaches; None: all of them.
        act_as: it may label for other annotators.
        annotators: then only for these; None: for any.
        max_annotators: and for at most so many.
        expires_at: when it ends; None: when it is revoked.

    Raises:
        InvalidName: the name, or one of the annotators', is blank or invisible.
        NotFound: there is no such project to narrow it to.
        NotAllowed: a lead's token names no project.
    """
    if project_id is not None:
        projects.get(session, project_id)
    elif role is Role.LEAD:
        raise NotAllowed("A lead leads one project: name it, or create the token of an admin.")
    clear = f"svp_{secrets.token_urlsafe(32)}"
    token = Token(
        token_hash=hash_of(clear),
        annotator_id=tokens.annotator_id(session, normalised(name)),
        role=role,
        act_as=act_as,
        annotators=None if annotators is None else [normalised(x) for x in annotators],
        max_annotators=max_annotators,
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
    return create_token(session, "admin", Role.ADMIN, project_id=None)[0]


def authenticate(session: Session, clear: str) -> Caller:
    """Return who holds this token.

    Raises:
        NotAuthenticated: it is unknown, revoked or expired.
    """
    caller = tokens.live_by_hash(session, hash_of(clear))
    if caller is None:
        raise NotAuthenticated(
            "The token is unknown, revoked or expired; ask an admin for a new one "
            "(svp token create)."
        )
    return caller


def acting_annotator(session: Session, caller: Caller, annotator: str) -> int:
    """Return the id of the annotator that a request acts for.

    A tool's token acts for people without a token of their own, and for those whose tokens reach
    its project alone: never as an admin or as somebody of another project.

    Raises:
        InvalidName: the name is blank or invisible.
        NotAllowed: the token may not act for this annotator.
        TooManyAnnotators: it has acted for as many as it may.
    """
    name = normalised(annotator)
    if name == caller.name:
        return caller.annotator_id
    if not caller.act_as:
        raise NotAllowed(
            "This token may not pass `annotator`; leave it out, or ask for a token with act_as."
        )
    assert caller.token_id is not None  # noqa: S101 - act_as is a right of tokens
    (grant,) = caller.grants
    if tokens.belongs_elsewhere(session, name, grant.project_id):
        raise NotAllowed(
            f"This token may not act for {name}: a token of this name is an admin's or reaches "
            "other projects than yours. Name the annotator otherwise."
        )
    known = tokens.acted_for(session, caller.token_id, name)
    return _take_on(session, caller.token_id, name) if known is None else known


def _take_on(session: Session, token_id: int, name: str) -> int:
    """Return the annotator's id, now one of those that the token acts for.

    Raises:
        NotAllowed: they are not on the token's list.
        TooManyAnnotators: the token acts for as many as it may.
    """
    token = tokens.lock_token(session, token_id)
    if token.annotators is not None and name not in token.annotators:
        raise NotAllowed(
            f"This token may not act for {name}: it was created for a list of annotators. Ask an "
            "admin for a token that names them."
        )
    if tokens.n_acted_for(session, token_id) >= token.max_annotators:
        raise TooManyAnnotators(
            f"This token has acted for {token.max_annotators} annotators, as many as it may. Use "
            "their names again, or ask an admin for a token with a larger max_annotators."
        )
    annotator_id = tokens.annotator_id(session, name)
    tokens.note_acting(session, token_id, annotator_id)
    return annotator_id


def revoke_token(session: Session, token_id: int) -> None:
    """Revoke a token; its holder is refused from now on.

    Raises:
        NotFound: no such token.
    """
    if not tokens.revoke(session, token_id):
        raise NotFound("token", token_id)


def hash_of(clear: str) -> bytes:
    """Return what is stored of a secret: it is random and long, so that one SHA-256 is enough."""
    return hashlib.sha256(clear.encode()).digest()
