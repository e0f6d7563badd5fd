"""Statements on the people of a project: members and invitations."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.db.tables import Annotator, Invitation, Membership, WebSession
from app.domain.roles import Role


@dataclass(frozen=True)
class Member:
    """A person with a role in a project; `last_seen_at` by their sessions."""

    name: str
    role: Role
    joined_at: datetime
    last_seen_at: datetime | None


def members(session: Session, project_id: int) -> list[Member]:
    """Return the people with a role in this very project, by name."""
    seen = (
        select(func.max(WebSession.last_seen_at))
        .where(WebSession.annotator_id == Annotator.id)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Annotator.name, Membership.role, Membership.created_at, seen)
        .join(Membership, Membership.annotator_id == Annotator.id)
        .where(Membership.project_id == project_id)
        .order_by(Annotator.name)
    )
    return [Member(name, Role(role), joined, last) for name, role, joined, last in rows]


def member_id(session: Session, project_id: int, name: str) -> int | None:
    """Return the id of the project's member of this name."""
    return session.scalar(
        select(Annotator.id)
        .join(Membership, Membership.annotator_id == Annotator.id)
        .where(Membership.project_id == project_id, Annotator.name == name)
    )


def role_in(session: Session, annotator_id: int, project_id: int) -> Role | None:
    """Return the person's role in this very project."""
    role = session.scalar(
        select(Membership.role).where(
            Membership.annotator_id == annotator_id, Membership.project_id == project_id
        )
    )
    return None if role is None else Role(role)


def remove_member(session: Session, project_id: int, annotator_id: int) -> None:
    """Take the person's role in the project away."""
    session.execute(
        delete(Membership).where(
            Membership.annotator_id == annotator_id, Membership.project_id == project_id
        )
    )


def insert_name(session: Session, name: str) -> int | None:
    """Return the id of a new person of this name; None: the name is taken."""
    return session.scalar(
        insert(Annotator).values(name=name).on_conflict_do_nothing().returning(Annotator.id)
    )


def insert_invitation(  # noqa: PLR0913 - by name: its columns
    session: Session,
    *,
    code_hash: bytes,
    project_id: int,
    role: Role,
    max_uses: int,
    lifetime: timedelta,
    created_by: int,
) -> Invitation:
    """Insert an invitation that begins now."""
    values = {
        "code_hash": code_hash,
        "project_id": project_id,
        "role": role,
        "max_uses": max_uses,
        "created_by": created_by,
        "expires_at": func.now() + lifetime,
    }
    return session.scalars(insert(Invitation).values(values).returning(Invitation)).one()


def invitations(session: Session, project_id: int) -> list[tuple[Invitation, str, bool]]:
    """Return the project's invitations, newest first: (row, who made it, whether it is open)."""
    rows = session.execute(
        select(Invitation, Annotator.name, _IS_OPEN)
        .join(Annotator, Annotator.id == Invitation.created_by)
        .where(Invitation.project_id == project_id)
        .order_by(Invitation.id.desc())
    )
    return [(row, name, bool(is_open)) for row, name, is_open in rows]


_IS_OPEN = (
    Invitation.revoked_at.is_(None)
    & (Invitation.expires_at > func.now())
    & (Invitation.n_used < Invitation.max_uses)
)


def open_invitation(session: Session, code_hash: bytes) -> Invitation | None:
    """Return the invitation of a code if it still lets somebody in."""
    return session.scalar(select(Invitation).where(Invitation.code_hash == code_hash, _IS_OPEN))


def use_invitation(session: Session, code_hash: bytes) -> Invitation | None:
    """Take one of its uses; None: there is none left, or it is unknown, revoked or too old.

    One statement: of two who take the last use, one gets in.
    """
    return session.scalar(
        update(Invitation)
        .where(Invitation.code_hash == code_hash, _IS_OPEN)
        .values(n_used=Invitation.n_used + 1)
        .returning(Invitation)
    )


def revoke_invitation(session: Session, project_id: int, invitation_id: int) -> bool:
    """Let nobody in by it any more; False if there is none."""
    found = session.scalar(
        update(Invitation)
        .where(Invitation.id == invitation_id, Invitation.project_id == project_id)
        .values(revoked_at=func.coalesce(Invitation.revoked_at, func.now()))
        .returning(Invitation.id)
    )
    return found is not None
