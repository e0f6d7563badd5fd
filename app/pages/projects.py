"""Pages of projects: which there are, and one of them."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.deps import ProjectDep, SessionDep, SettingsDep
from app.api.recent import RecentDep
from app.db.queries import projects
from app.domain.roles import Right
from app.pages.overview import render_overview
from app.pages.page import PageRoute, SignedInPage

router = APIRouter(include_in_schema=False, route_class=PageRoute)
SHOWN = 100


@router.get("/")
def list_projects(
    page: SignedInPage,
    session: SessionDep,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    *,
    archived: bool = False,
) -> Response:
    """Show the projects that the caller reaches."""
    reached = page.known_caller.project_ids
    found = projects.list_page(session, after, SHOWN, reached, archived=archived)
    active = projects.last_active(session, [project.id for project in found])
    more = found[-1].id if len(found) == SHOWN else None
    return page.render("projects.html", projects=found, active=active, more=more, archived=archived)


@router.get("/projects/{project}")
def read_project(
    page: SignedInPage,
    session: SessionDep,
    project: ProjectDep,
    settings: SettingsDep,
    recent: RecentDep,
) -> Response:
    """Show one project: its overview to those who may read it, to others the way to label."""
    if page.may(Right.READ):
        return render_overview(page, session, project, settings, recent)
    return page.render("project.html", project=project)
