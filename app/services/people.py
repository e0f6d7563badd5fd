"""The people of a project: invited by a link, listed, removed; each with a role."""

import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import people, projects, tokens, web_sessions
from app.db.queries.tokens import Caller
from app.db.tables import Invitation
from app.domain.errors import InvitationEnded, NameTaken, NotAllowed, NotFound
from app.domain.names import normalised
from app.domain.roles import Right, Role
from app.services.tokens import hash_of
from app.services.web_sessions import begin_session

MEMBER_LINK_LIFETIME = timedelta(days=1)
INVITED = (Role.ANNOTATOR, Role.READER, Role.LEAD)


@dataclass(frozen=True)
class InvitationIn:
    """A wanted invitation."""

    role: Role
    days: float
    max_uses: int


def create_invitation(
    session: Session, project_id: int, caller: Caller, wanted: InvitationIn
) -> tuple[str, Invitation]:
    """Return (the code of a link that lets people join the project, its row).

    Raises:
        NotFound: there is no such project.
    """
    projects.get(session, project_id)
    code = secrets.token_urlsafe(32)
    invitation = people.insert_invitation(
        session,
        code_hash=hash_of(code),
        project_id=project_id,
        role=wanted.role,
        max_uses=wanted.max_uses,
        lifetime=timedelta(days=wanted.days),
        created_by=caller.annotator_id,
    )
    return code, invitation


def find_invitation(session: Session, code: str) -> Invitation:
    """Return the invitation of a link.

    Raises:
        InvitationEnded: it lets nobody in any more.
    """
    found = people.open_invitation(session, hash_of(code))
    if found is None:
        raise InvitationEnded
    return found


def join(
    session: Session, code: str, name: str | None, caller: Caller | None, settings: Settings
) -> tuple[str, int]:
    """Let a person into an invitation's project; return (their new session's secret, the project).

    Args:
        session: whose transaction this is.
        code: of the link.
        name: that a new person has chosen; without meaning for somebody who is signed in.
        caller: who is signed in already; they keep their name, and the role they had there.
        settings: of this machine.

    Raises:
        InvitationEnded: the link lets nobody in any more.
        InvalidName: the name is blank or invisible.
        NameTaken: somebody has this name.
    """
    invitation = find_invitation(session, code)
    project_id = invitation.project_id
    if caller is not None:
        annotator_id = caller.annotator_id
        if people.role_in(session, annotator_id, project_id) is not None:
            return begin_session(session, annotator_id, settings), project_id
    else:
        chosen = normalised(name or "")
        created = people.insert_name(session, chosen)
        if created is None:
            raise NameTaken(f"Somebody is called {chosen} already; choose another name.")
        annotator_id = created
    if people.use_invitation(session, hash_of(code)) is None:
        raise InvitationEnded
    web_sessions.grant(session, annotator_id, Role(invitation.role), project_id)
    return begin_session(session, annotator_id, settings), project_id


def revoke_invitation(session: Session, project_id: int, invitation_id: int) -> None:
    """Let nobody in by this link any more; who joined stays.

    Raises:
        NotFound: there is no such invitation.
    """
    if not people.revoke_invitation(session, project_id, invitation_id):
        raise NotFound("invitation", invitation_id)


def remove_member(session: Session, project_id: int, name: str) -> None:
    """Take a person's role in the project away; their labels stay.

    Raises:
        NotFound: they have none.
    """
    people.remove_member(session, project_id, _member(session, project_id, name))


def create_member_link(session: Session, project_id: int, caller: Caller, name: str) -> str:
    """Return the code of a link that signs a member in, once, within a day: on a new device.

    Raises:
        NotFound: there is no such member.
        NotAllowed: they may do more than the caller: an admin makes their link.
    """
    annotator_id = _member(session, project_id, name)
    is_beyond = tokens.belongs_elsewhere(session, name, project_id)
    if is_beyond and not caller.may(Right.SERVE):
        raise NotAllowed(
            f"{name} leads or belongs to other projects, too; ask an admin of the service for "
            "their link (svp sign-in-link)."
        )
    code = secrets.token_urlsafe(32)
    web_sessions.insert_link(session, hash_of(code), annotator_id, MEMBER_LINK_LIFETIME)
    return code


def _member(session: Session, project_id: int, name: str) -> int:
    annotator_id = people.member_id(session, project_id, name)
    if annotator_id is None:
        raise NotFound("member", name)
    return annotator_id
