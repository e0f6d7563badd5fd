"""The route of annotation settings."""

from fastapi import APIRouter, Request

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectIdDep, SessionDep, SettingsDep
from app.db.session import transaction
from app.presenters.projects import present_project
from app.schemas.annotation import GivenAnnotation
from app.schemas.bodies import problems
from app.schemas.projects import ProjectOut
from app.services.annotation import change_annotation
from app.services.annotation_settings import introduce

router = APIRouter(prefix="/projects/{project}", tags=["annotators"], route_class=Route)


@router.patch("/annotation", summary="Change annotation", responses=problems(403, 404, 409))
def change(
    request: Request,
    body: GivenAnnotation,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
) -> ProjectOut:
    """Change overlap, consensus, adjudicators or gold; open items follow, an event says what."""
    changes = dict(body)
    labels_per_item = changes.pop("labels_per_item", None)
    # Committed before we wait for the project's lock: else requests of a new name wait as well.
    with transaction(request.app.state.authentication_factory) as naming:
        introduce(naming, changes.get("adjudicators", ()))
    return present_project(
        session, change_annotation(session, project, changes, labels_per_item, settings)
    )
