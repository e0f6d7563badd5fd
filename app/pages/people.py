"""Pages of a project's people, and the page on which invited people join."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Response
from pydantic import BaseModel, Field

from app.api.deps import SESSION_COOKIE, ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.db.queries import people, projects
from app.domain.errors import DomainError, InvalidName, NameTaken
from app.domain.roles import Role
from app.pages.page import LeadPage, OpenPage, Page, PageRoute
from app.presenters.people import join_path, present_invitation, sign_in_path
from app.schemas.people import MAX_DAYS, MAX_USES, InvitationCreate
from app.services.people import (
    INVITED,
    InvitationIn,
    create_invitation,
    create_member_link,
    find_invitation,
    join,
    remove_member,
    revoke_invitation,
)

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Name = Annotated[str, Form(max_length=1000)]
Code = Annotated[str, Form(max_length=200)]


class JoinForm(BaseModel):
    """The link, and the name that its reader has chosen."""

    code: str = Field("", max_length=200)
    name: str = Field("", max_length=1000)


@router.get("/projects/{project}/people")
def read_people(page: LeadPage, session: SessionDep, project: ProjectDep) -> Response:
    """Show who is in the project, and how to invite others."""
    return _show(page, session, project)


@router.post("/projects/{project}/people/invite")
def submit_invitation(
    page: LeadPage,
    session: SessionDep,
    project: ProjectDep,
    form: Annotated[InvitationCreate, Form()],
) -> Response:
    """Make an invitation; its link is shown on this answer alone."""
    wanted = InvitationIn(Role(form.role), form.days, form.max_uses)
    code, _ = create_invitation(session, project.id, page.known_caller, wanted)
    words = f"Send this link to the people you invite; it works {form.max_uses} times."
    if form.max_uses == 1:
        words = "Send this link to the person you invite; it works once."
    return _show(page, session, project, link=_whole(page, join_path(code)), link_words=words)


@router.post("/projects/{project}/people/revoke")
def submit_revocation(
    page: LeadPage,
    session: SessionDep,
    project: ProjectIdDep,
    invitation: Annotated[int, Form(ge=0, le=2**53)],
) -> Response:
    """Let nobody in by a link any more."""
    revoke_invitation(session, project, invitation)
    return page.redirect(f"/projects/{project}/people", flash="The invitation is revoked.")


@router.post("/projects/{project}/people/remove")
def submit_removal(
    page: LeadPage, session: SessionDep, project: ProjectIdDep, name: Name
) -> Response:
    """Take a person's role away."""
    remove_member(session, project, name)
    return page.redirect(f"/projects/{project}/people", flash=f"{name} was removed.")


@router.post("/projects/{project}/people/link")
def submit_link(page: LeadPage, session: SessionDep, project: ProjectDep, name: Name) -> Response:
    """Make a link that signs a member in on another device; it is shown on this answer alone."""
    code = create_member_link(session, project.id, page.known_caller, name)
    words = f"Send this link to {name}; it signs them in once, within a day."
    return _show(page, session, project, link=_whole(page, sign_in_path(code)), link_words=words)


@router.get("/join")
def read_invitation(
    page: OpenPage, session: SessionDep, code: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Show what the reader is invited to, and ask for a name."""
    return _show_invitation(page, session, code)


@router.post("/join")
def submit_join(
    page: OpenPage,
    session: SessionDep,
    settings: SettingsDep,
    form: Annotated[JoinForm, Form()],
) -> Response:
    """Let the reader in."""
    try:
        secret, project_id = join(session, form.code, form.name, page.caller, settings)
    except (InvalidName, NameTaken) as error:
        return _show_invitation(page, session, form.code, name=form.name, fault=error)
    response = page.redirect(f"/projects/{project_id}", flash="Welcome to the project.")
    page.set_cookie(response, SESSION_COOKIE, secret, settings.session_days * 86_400)
    return response


def _show(
    page: Page, session: SessionDep, project: ProjectDep, link: str = "", link_words: str = ""
) -> Response:
    found = people.invitations(session, project.id)
    invitations = [present_invitation(row, name, is_open=is_open) for row, name, is_open in found]
    return page.render(
        "people.html",
        project=project,
        members=people.members(session, project.id),
        invitations=invitations,
        roles=[role.value for role in INVITED],
        max_days=MAX_DAYS,
        max_uses=MAX_USES,
        link=link,
        link_words=link_words,
    )


def _show_invitation(
    page: Page, session: SessionDep, code: str, name: str = "", fault: DomainError | None = None
) -> Response:
    invitation = find_invitation(session, code)
    project = projects.get(session, invitation.project_id)
    return page.render(
        "join.html",
        200 if fault is None else 422,
        code=code,
        name=name,
        fault=fault.detail if fault else "",
        role=Role(invitation.role),
        project_name=project.name,
    )


def _whole(page: Page, path: str) -> str:
    """Return an address to send to others: as this page itself was reached."""
    url = page.request.url
    return f"{url.scheme}://{url.netloc}{page.url(path)}"
