"""Routes of annotation's settings and of the annotators: their work, agreement, pauses."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.api.projects import render
from app.db.session import transaction
from app.schemas.annotation import AgreementOut, AnnotationChange, PauseIn
from app.schemas.bodies import problems
from app.schemas.progress import AnnotatorOut
from app.schemas.projects import ProjectOut
from app.services.agreement import read_agreement
from app.services.annotation import change_annotation
from app.services.annotation_settings import introduce
from app.services.annotators import (
    clear_flags,
    pause_annotator,
    read_annotators,
    resume_annotator,
)

router = APIRouter(prefix="/projects/{project}", tags=["annotators"], route_class=Route)
MAY_BE_NULL = ("gold_min_accuracy", "max_labels_per_item")  # it says something; else: as it was
AnnotatorName = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


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
    return render(session, change_annotation(session, project, changes, labels_per_item, settings))


@router.get("/annotators", summary="Who labeled how much", responses=problems(403, 404))
def list_annotators(
    session: SessionDep, project: ProjectDep, _admin: AdminDep
) -> list[AnnotatorOut]:
    """Return each annotator's labels, how stale their rankings were, seconds, gold and pause."""
    return [AnnotatorOut.model_validate(a) for a in read_annotators(session, project.id)]


@router.get("/agreement", summary="How far they agree", responses=problems(403, 404))
def agreement(session: SessionDep, project: ProjectDep, _admin: AdminDep) -> AgreementOut:
    """Return Krippendorff's alpha and kappas: of the project, by round, annotator and pair."""
    return AgreementOut.model_validate(read_agreement(session, project.id))


@router.post(
    "/annotators/{name}/pause", status_code=204, summary="Pause", responses=problems(403, 404)
)
def pause(
    body: PauseIn,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
    name: AnnotatorName,
) -> None:
    """Hand this annotator nothing more; their labels are flagged, and count unless excluded."""
    pause_annotator(session, project, name, body.reason, settings, excludes=body.excludes_labels)


@router.post(
    "/annotators/{name}/resume", status_code=204, summary="Resume", responses=problems(403, 404)
)
def resume(
    session: SessionDep, project: ProjectIdDep, _admin: AdminDep, name: AnnotatorName
) -> None:
    """Hand this annotator items again; gold counts from now on, their labels' flags stay."""
    resume_annotator(session, project, name)


@router.post(
    "/annotators/{name}/clear-flags",
    status_code=204,
    summary="Clear flags",
    responses=problems(403, 404, 409),
)
def clear(
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
    name: AnnotatorName,
) -> None:
    """Take the flags of this annotator's labels away; labels that did not count do so again."""
    clear_flags(session, project, name, settings)
