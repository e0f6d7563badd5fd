"""The route of a project's costs."""

from fastapi import APIRouter
from sqlalchemy.orm import Session

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, SessionDep, SettingsDep
from app.api.recent import Recent, RecentDep
from app.config import Settings
from app.db.queries import events, projects
from app.db.tables import Project
from app.presenters.costs import present_costs
from app.schemas.bodies import problems
from app.schemas.costs import CostsOut
from app.services.costs import read_costs

router = APIRouter(prefix="/projects/{project}", tags=["progress"], route_class=Route)


@router.get("/costs", summary="Read the costs", responses=problems(403, 404))
def costs(
    session: SessionDep,
    project: ProjectDep,
    _admin: AdminDep,
    settings: SettingsDep,
    recent: RecentDep,
) -> CostsOut:
    """Return annotators' time, workers' seconds by purpose, and what the proxy and strategy saved.

    What selection by the target would have cost is measured where an audit or the target's job
    has trained it, and scaled from there elsewhere.
    """
    return costs_of(session, project, settings, recent)


def costs_of(session: Session, project: Project, settings: Settings, recent: Recent) -> CostsOut:
    """Return the project's costs, as of its newest event."""
    project_id = project.id

    def count(other: Session) -> CostsOut:
        found = read_costs(other, projects.get(other, project_id), settings)
        return present_costs(found, settings)

    version = events.newest_of(session, project_id)
    return recent.read("costs", project, count, session, version)
