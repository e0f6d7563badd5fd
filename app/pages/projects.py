"""Pages of projects: which there are, and one of them."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.deps import ProjectDep, SessionDep
from app.db.queries import projects
from app.pages.page import PageRoute, SignedInPage

router = APIRouter(include_in_schema=False, route_class=PageRoute)
SHOWN = 100


@router.get("/")
def list_projects(
    page: SignedInPage, session: SessionDep, after: Annotated[int, Query(ge=0, le=2**53)] = 0
) -> Response:
    """Show the projects that the caller reaches."""
    found = projects.list_page(session, after, SHOWN, page.known_caller.project_ids)
    more = found[-1].id if len(found) == SHOWN else None
    return page.render("projects.html", projects=found, more=more)


@router.get("/projects/{project}")
def read_project(page: SignedInPage, project: ProjectDep) -> Response:
    """Show one project."""
    return page.render("project.html", project=project)
