"""Routes of a project's people: members, and the invitations by which they join."""

from fastapi import APIRouter, Request

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, ProjectIdDep, SessionDep
from app.db.queries import people
from app.domain.roles import Role
from app.presenters.people import join_path, present_invitation, sign_in_path
from app.schemas.bodies import problems
from app.schemas.people import (
    InvitationCreate,
    InvitationCreated,
    InvitationOut,
    MemberLink,
    MemberOut,
)
from app.services.people import (
    InvitationIn,
    create_invitation,
    create_member_link,
    remove_member,
    revoke_invitation,
)

router = APIRouter(prefix="/projects/{project}", tags=["people"], route_class=Route)


@router.get("/members", summary="List members", responses=problems(403, 404))
def list_members(session: SessionDep, project: ProjectDep, _admin: AdminDep) -> list[MemberOut]:
    """Return the people who joined the project, with their roles; not those with tokens alone."""
    return [MemberOut.model_validate(member) for member in people.members(session, project.id)]


@router.delete(
    "/members/{name}", status_code=204, summary="Remove a member", responses=problems(403, 404)
)
def remove(session: SessionDep, project: ProjectIdDep, _admin: AdminDep, name: str) -> None:
    """Take a person's role in the project away; their labels stay."""
    remove_member(session, project, name)


@router.post(
    "/members/{name}/link",
    status_code=201,
    summary="Make a member's sign-in link",
    responses=problems(403, 404),
)
def link(
    request: Request, session: SessionDep, project: ProjectIdDep, admin: AdminDep, name: str
) -> MemberLink:
    """Return a link that signs the member in once, within a day, e.g. on a new device."""
    code = create_member_link(session, project, admin, name)
    return MemberLink(link=_below(request, sign_in_path(code)))


@router.post("/invitations", status_code=201, summary="Invite people", responses=problems(403, 404))
def invite(
    request: Request,
    body: InvitationCreate,
    session: SessionDep,
    project: ProjectIdDep,
    admin: AdminDep,
) -> InvitationCreated:
    """Make a link by which people join the project; it is shown once, only its hash is stored."""
    wanted = InvitationIn(Role(body.role), body.days, body.max_uses)
    code, invitation = create_invitation(session, project, admin, wanted)
    out = present_invitation(invitation, admin.name, is_open=True)
    return InvitationCreated(**out.model_dump(), link=_below(request, join_path(code)))


@router.get("/invitations", summary="List invitations", responses=problems(403, 404))
def list_invitations(
    session: SessionDep, project: ProjectDep, _admin: AdminDep
) -> list[InvitationOut]:
    """Return the project's invitations without their links, newest first."""
    found = people.invitations(session, project.id)
    return [present_invitation(row, name, is_open=is_open) for row, name, is_open in found]


@router.delete(
    "/invitations/{invitation}",
    status_code=204,
    summary="Revoke an invitation",
    responses=problems(403, 404),
)
def revoke(session: SessionDep, project: ProjectIdDep, _admin: AdminDep, invitation: int) -> None:
    """Let nobody in by this link any more; who joined stays."""
    revoke_invitation(session, project, invitation)


def _below(request: Request, path: str) -> str:
    return f"{request.scope.get('root_path', '')}{path}"
