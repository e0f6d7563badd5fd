"""Routes of core-sets."""

import io
from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session, sessionmaker

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, ProjectIdDep, SessionDep, SettingsDep, StoreDep
from app.api.downloads import FILE, as_file
from app.db.queries import core_sets as queries
from app.db.tables import CoreSet, Job
from app.domain.errors import CoreSetNotReady, NotFound
from app.domain.states import JobState
from app.presenters.core_sets import present_core_set, present_kept_item
from app.presenters.exported_rows import EXPORT_TYPES, as_csv, as_jsonl, in_pages
from app.schemas.bodies import problems
from app.schemas.core_sets import CoreSetIn, CoreSetItemOut, CoreSetOut, CoreSetScoresOut
from app.services import core_sets

router = APIRouter(prefix="/projects/{project}/core-sets", tags=["core-sets"], route_class=Route)


COLUMNS = ["rank", "item_id", "external_id", "index", "class", "score"]


@router.post("", status_code=202, summary="Make a core-set", responses=problems(403, 404))
def create(
    body: CoreSetIn,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
) -> CoreSetOut:
    """Ask for a core-set; a worker selects it."""
    wanted = core_sets.CoreSetIn(**body.model_dump())
    return present_core_set(*core_sets.create_core_set(session, project, wanted, settings))


@router.get("", summary="List core-sets", responses=problems(403, 404))
def list_core_sets(session: SessionDep, project: ProjectDep, _admin: AdminDep) -> list[CoreSetOut]:
    """Return every core-set, oldest first."""
    return [present_core_set(*row) for row in queries.list_all(session, project.id)]


@router.get("/{core_set}", summary="Read a core-set", responses=problems(403, 404))
def read(session: SessionDep, project: ProjectDep, _admin: AdminDep, core_set: int) -> CoreSetOut:
    """Return one core-set, with the state and progress of its job."""
    return present_core_set(*_get(session, project.id, core_set))


@router.get(
    "/{core_set}/items",
    summary="Export a core-set",
    response_class=StreamingResponse,
    responses={
        **problems(403, 404, 409),
        200: {
            "content": {
                "application/x-ndjson": {"schema": CoreSetItemOut.model_json_schema()},
                "text/csv": {"schema": {"type": "string"}},
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            }
        },
    },
)
def export(
    request: Request,
    session: SessionDep,
    project: ProjectDep,
    _admin: AdminDep,
    core_set: int,
    format_: Annotated[Literal["jsonl", "csv", "npy"], Query(alias="format")] = "jsonl",
) -> Response:
    """Stream the items in order of selection: JSON lines, CSV, or int64 pool indices as npy."""
    found = _get_made(session, project.id, core_set)
    if format_ == "npy":
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(queries.kept_indices(session, found.id), np.int64))
        return Response(buffer.getvalue(), media_type="application/octet-stream")
    rows = _rows(request.app.state.session_factory, found.id, project.classes)
    body = as_csv(rows, COLUMNS) if format_ == "csv" else as_jsonl(rows)
    return StreamingResponse(body, media_type=EXPORT_TYPES[format_])


@router.get("/{core_set}/scores", summary="List kept scores", responses=problems(403, 404, 409))
def list_scores(
    session: SessionDep, project: ProjectDep, _admin: AdminDep, core_set: int
) -> list[CoreSetScoresOut]:
    """Return the selection model's accuracy after each of its `score_epochs`."""
    found = _get_made(session, project.id, core_set)
    return [CoreSetScoresOut.model_validate(s) for s in queries.list_scores(session, found.id)]


@router.get(
    "/{core_set}/scores/{epoch}",
    summary="Download kept scores",
    response_class=StreamingResponse,
    responses={**problems(403, 404, 409, 410), **FILE},
)
def download_scores(
    session: SessionDep,
    project: ProjectDep,
    store: StoreDep,
    _admin: AdminDep,
    core_set: int,
    epoch: int,
) -> StreamingResponse:
    """Return the scores of all labeled items after an epoch: a NumPy archive (npz) of arrays.

    `index` (in the pool) and `class_index` of each; `entropy`, `least_confidence` and `margin` of
    the model's probabilities; where the training counts them `forgetting_events` so far, infinite
    for items that were never right.
    """
    found = _get_made(session, project.id, core_set)
    kept = queries.get_scores(session, found.id, epoch)
    if kept is None:
        raise NotFound("kept score", epoch)
    name = f"project-{project.id}-core_set-{core_set}-epoch-{epoch}.npz"
    return as_file(store, kept.scores_hash, name)


def _get(session: Session, project_id: int, core_set_id: int) -> tuple[CoreSet, Job]:
    found = queries.get(session, project_id, core_set_id)
    if found is None:
        raise NotFound("core_set", core_set_id)
    return found


def _get_made(session: Session, project_id: int, core_set_id: int) -> CoreSet:
    """Return a core-set whose job succeeded.

    Raises:
        CoreSetNotReady: it has not, or not yet.
    """
    found, job = _get(session, project_id, core_set_id)
    if job.state != JobState.SUCCEEDED:
        reason = f": {job.error}" if job.error else ""
        raise CoreSetNotReady(
            f"The job of core-set {core_set_id} is {job.state}{reason}. Read the core-set to see "
            "how far it is; a failed job can be retried."
        )
    return found


def _rows(
    factory: sessionmaker[Session], core_set_id: int, classes: list[str]
) -> Iterator[CoreSetItemOut]:
    def read_page(session: Session, after: int, limit: int) -> list[queries.KeptItem]:
        return queries.kept_items(session, core_set_id, after, limit)

    for kept in in_pages(factory, read_page, lambda kept: kept.rank):
        yield present_kept_item(kept, classes)
