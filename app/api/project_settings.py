"""The route of project settings."""

from fastapi import APIRouter

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectIdDep, SessionDep, SettingsDep
from app.presenters.projects import present_project
from app.schemas.bodies import problems
from app.schemas.projects import ProjectChange, ProjectOut
from app.services.project_settings import change_project
from app.services.projects import ModelChoice

router = APIRouter(prefix="/projects", tags=["projects"], route_class=Route)


@router.patch("/{project}", summary="Change settings", responses=problems(403, 404, 409))
def change(
    body: ProjectChange,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
) -> ProjectOut:
    """Change settings between rounds; each change is an event with the value before and after.

    Strategy, selection, proxy, trigger and round_budget count from the next round on: a round keeps
    those that it was created with (a failed one takes the new ones when it is retried).
    total_budget, reserve, target and stop_when count when they are next looked at.
    """
    changes = body.model_dump(exclude_unset=True)
    for name in ("proxy", "target"):
        if name in changes:
            changes[name] = ModelChoice(**changes[name])
    return present_project(session, change_project(session, project, changes, settings))
