"""The route that changes a project's classes."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectIdDep, SessionDep, SettingsDep
from app.presenters.class_changes import present_class_change
from app.schemas.bodies import problems
from app.schemas.class_changes import ClassChangeIn, ClassChangeOut
from app.services.class_changes import ClassChange, change_classes

router = APIRouter(prefix="/projects/{project}", tags=["projects"], route_class=Route)


@router.post("/classes", summary="Change the classes", responses=problems(403, 404, 409))
def change(
    body: ClassChangeIn,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
    dry_run: Annotated[bool, Query(description="Only say what it would do.")] = False,  # noqa: FBT002
) -> ClassChangeOut:
    """Add, rename, describe, reorder, merge or retire classes; say what that does.

    A class keeps its index. To merge, everything that names `name` names `to`; models that learned
    it are stale. A retired class takes no new labels; the old ones count.
    """
    wanted = ClassChange(**body.model_dump())
    changed, effects = change_classes(session, project, wanted, settings, tries=dry_run)
    return present_class_change(changed, effects, dry_run=dry_run)
