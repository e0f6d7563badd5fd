"""The route of a project's costs."""

from fastapi import APIRouter

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, SessionDep, SettingsDep
from app.presenters.costs import present_costs
from app.schemas.bodies import problems
from app.schemas.costs import CostsOut
from app.services.costs import read_costs

router = APIRouter(prefix="/projects/{project}", tags=["progress"], route_class=Route)


@router.get("/costs", summary="Read the costs", responses=problems(403, 404))
def costs(
    session: SessionDep, project: ProjectDep, _admin: AdminDep, settings: SettingsDep
) -> CostsOut:
    """Return annotators' time, workers' seconds by purpose, and what the proxy and strategy saved.

    What selection by the target would have cost is measured where an audit or the target's job
    has trained it, and scaled from there elsewhere.
    """
    return present_costs(read_costs(session, project, settings), settings)
