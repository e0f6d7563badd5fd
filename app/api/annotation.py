"""The route of annotation settings."""

from fastapi import APIRouter, Request

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectIdDep, SessionDep, SettingsDep
from app.db.session import transaction
from app.presenters.projects import present_project
from app.schemas.annotation import AnnotationChange
from app.schemas.bodies import problems
from app.schemas.projects import ProjectOut
from app.services.annotation import change_annotation
from app.services.annotation_settings import introduce

router = APIRouter(prefix="/projects/{project}", tags=["annotators"], route_class=Route)


MAY_BE_NULL = ("gold_min_accuracy", "max_labels_per_item")  # it says something; else: as it was


@router.patch("/annotation", summary="Change annotation", responses=problems(403, 404, 409))
def change(
    request: Request,
    body: AnnotationChange,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
) -> ProjectOut:
    """Change overlap, consensus, adjudicators or gold; open items follow, an event says what."""
    given = body.model_dump(exclude_unset=True)
    labels_per_item = given.pop("labels_per_item", None)
    changes = {key: x for key, x in given.items() if x is not None or key in MAY_BE_NULL}
    # Committed before we wait for the project's lock: else requests of a new name wait as well.
    with transaction(request.app.state.authentication_factory) as naming:
        introduce(naming, changes.get("adjudicators", ()))
    return present_project(
        session, change_annotation(session, project, changes, labels_per_item, settings)
    )
