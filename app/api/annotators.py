"""Routes of annotators: their work and pauses."""

from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy.orm import Session

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.api.recent import Recent, RecentDep
from app.db.tables import Project
from app.schemas.annotators import AnnotatorOut, PauseIn
from app.schemas.bodies import problems
from app.services.annotators import (
    clear_flags,
    pause_annotator,
    read_annotators,
    read_work,
    resume_annotator,
)

router = APIRouter(prefix="/projects/{project}", tags=["annotators"], route_class=Route)


AnnotatorName = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


@router.get("/annotators", summary="List annotators", responses=problems(403, 404))
def list_annotators(
    session: SessionDep, project: ProjectDep, _admin: AdminDep, recent: RecentDep
) -> list[AnnotatorOut]:
    """Return each annotator's labels, how stale their rankings were, seconds, gold and pause.

    Over many labels these are counted every few seconds.
    """
    return annotators_of(session, project, recent)


def annotators_of(session: Session, project: Project, recent: Recent) -> list[AnnotatorOut]:
    """Return the project's annotators, their labels as of late."""
    project_id = project.id
    work = recent.read("work", project, lambda other: read_work(other, project_id), session)
    return [AnnotatorOut.model_validate(a) for a in read_annotators(session, project_id, work)]


@router.post(
    "/annotators/{name}/pause", status_code=204, summary="Pause", responses=problems(403, 404)
)
def pause(  # noqa: PLR0913, PLR0917 - the parts of a request
    body: PauseIn,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
    name: AnnotatorName,
    recent: RecentDep,
) -> None:
    """Pause this annotator; their labels are flagged, and count unless excluded."""
    recent.forget(project)
    pause_annotator(session, project, name, body.reason, settings, excludes=body.excludes_labels)


@router.post(
    "/annotators/{name}/resume", status_code=204, summary="Resume", responses=problems(403, 404)
)
def resume(
    session: SessionDep, project: ProjectIdDep, _admin: AdminDep, name: AnnotatorName
) -> None:
    """Resume this annotator; only gold from now on counts, and their labels' flags stay."""
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
    recent: RecentDep,
) -> None:
    """Clear the flags of this annotator's labels; excluded labels count again."""
    recent.forget(project)
    clear_flags(session, project, name, settings)
