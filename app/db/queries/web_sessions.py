"""Statements on memberships, sessions in a browser and links that sign in."""

from datetime import timedelta

from sqlalchemy import Interval, and_, bindparam, case, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.db.queries.tokens import IS_LIVE, Caller
from app.db.tables import Annotator, Membership, SignInLink, Token, WebSession
from app.domain.roles import Grant, Role

_IS_OF_TOKEN = WebSession.token_id.is_not(None)
# A row for each membership; of a session by token one row, with the token's role.
_LIVE = (
    select(
        Annotator.id,
        Annotator.name,
        WebSession.id,
        WebSession.last_seen_at < func.now() - bindparam("seen_every", type_=Interval),
        case((_IS_OF_TOKEN, Token.role), else_=Membership.role),
        case((_IS_OF_TOKEN, Token.project_id), else_=Membership.project_id),
    )
    .select_from(WebSession)
    .join(Annotator, Annotator.id == WebSession.annotator_id)
    .outerjoin(Token, Token.id == WebSession.token_id)
    .outerjoin(Membership, and_(~_IS_OF_TOKEN, Membership.annotator_id == Annotator.id))
    .where(
        WebSession.secret_hash == bindparam("secret_hash"),
        WebSession.revoked_at.is_(None),
        WebSession.expires_at > func.now(),
        or_(~_IS_OF_TOKEN, and_(*IS_LIVE)),
    )
)


def live_by_hash(
    session: Session, secret_hash: bytes, seen_every: timedelta
) -> tuple[Caller, bool] | None:
    """Return (who is signed in, whether they were seen longer ago than `seen_every`).

    None: the secret is unknown, or its session revoked or expired.
    """
    given = {"secret_hash": secret_hash, "seen_every": seen_every}
    rows = session.execute(_LIVE, given).all()
    if not rows:
        return None
    annotator_id, name, session_id, is_stale = rows[0][:4]
    grants = tuple(Grant(Role(row[4]), row[5]) for row in rows if row[4] is not None)
    return Caller(annotator_id, name, grants, session_id=session_id), bool(is_stale)


def grants_of(session: Session, annotator_id: int) -> tuple[Grant, ...]:
    """Return the roles of a person."""
    rows = session.execute(
        select(Membership.role, Membership.project_id).where(
            Membership.annotator_id == annotator_id
        )
    )
    return tuple(Grant(Role(role), project_id) for role, project_id in rows)


def note_seen(session: Session, session_id: int, lifetime: timedelta) -> None:
    """Record that the session is in use; it lives on from now."""
    session.execute(
        update(WebSession)
        .where(WebSession.id == session_id)
        .values(last_seen_at=func.now(), expires_at=func.now() + lifetime)
    )


def insert_session(
    session: Session,
    secret_hash: bytes,
    annotator_id: int,
    token_id: int | None,
    lifetime: timedelta,
) -> None:
    """Insert a session that begins now."""
    values = {
        "secret_hash": secret_hash,
        "annotator_id": annotator_id,
        "token_id": token_id,
        "expires_at": func.now() + lifetime,
    }
    session.execute(insert(WebSession).values(values))


def revoke(session: Session, session_id: int) -> None:
    """End a session."""
    session.execute(
        update(WebSession)
        .where(WebSession.id == session_id, WebSession.revoked_at.is_(None))
        .values(revoked_at=func.now())
    )


def revoke_all(session: Session, annotator_id: int) -> None:
    """End every session of a person."""
    session.execute(
        update(WebSession)
        .where(WebSession.annotator_id == annotator_id, WebSession.revoked_at.is_(None))
        .values(revoked_at=func.now())
    )


def insert_link(session: Session, code_hash: bytes, annotator_id: int, lifetime: timedelta) -> None:
    """Insert a link that signs this person in."""
    values = {
        "code_hash": code_hash,
        "annotator_id": annotator_id,
        "expires_at": func.now() + lifetime,
    }
    session.execute(insert(SignInLink).values(values))


def use_link(session: Session, code_hash: bytes) -> int | None:
    """Use up a link; return whom it signs in, None if it is unknown, used or too old.

    One statement: of two that open it at once, one gets in.
    """
    return session.scalar(
        update(SignInLink)
        .where(
            SignInLink.code_hash == code_hash,
            SignInLink.used_at.is_(None),
            SignInLink.expires_at > func.now(),
        )
        .values(used_at=func.now())
        .returning(SignInLink.annotator_id)
    )


def grant(session: Session, annotator_id: int, role: Role, project_id: int | None) -> None:
    """Give a person this role, in place of the one that they had there."""
    values = {"annotator_id": annotator_id, "role": role, "project_id": project_id}
    statement = insert(Membership).values(values)
    columns = [Membership.annotator_id, Membership.project_id]
    session.execute(statement.on_conflict_do_update(index_elements=columns, set_={"role": role}))
