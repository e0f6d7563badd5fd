"""Routes of annotators: their work and pauses."""

from typing import Annotated

from fastapi import APIRouter, Path

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.schemas.annotators import AnnotatorOut, PauseIn
from app.schemas.bodies import problems
from app.services.annotators import clear_flags, pause_annotator, read_annotators, resume_annotator

router = APIRouter(prefix="/projects/{project}", tags=["annotators"], route_class=Route)


AnnotatorName = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


@router.get("/annotators", summary="List annotators", responses=problems(403, 404))
def list_annotators(
    session: SessionDep, project: ProjectDep, _admin: AdminDep
) -> list[AnnotatorOut]:
    """Return each annotator's labels, how stale their rankings were, seconds, gold and pause."""
    return [AnnotatorOut.model_validate(a) for a in read_annotators(session, project.id)]


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
    """Pause this annotator; their labels are flagged, and count unless excluded."""
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
) -> None:
    """Clear the flags of this annotator's labels; excluded labels count again."""
    clear_flags(session, project, name, settings)
