"""Routes of a model's predictions for the whole pool."""

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, ProjectIdDep, SessionDep, SettingsDep, StoreDep
from app.db.queries import items
from app.db.session import transaction
from app.db.tables import Split
from app.presenters.exported_rows import EXPORT_TYPES, PAGE, as_csv, as_jsonl
from app.presenters.jobs import present_with_job
from app.schemas.bodies import problems
from app.schemas.pool_predictions import PoolPredictionsOut, PredictedItemOut
from app.services.pool_predictions import (
    PoolPredictions,
    create_predictions,
    newest_hash,
    read_predictions,
)

router = APIRouter(
    prefix="/projects/{project}/models/{model}/pool-predictions",
    tags=["analyses"],
    route_class=Route,
)
COLUMNS = ["item_id", "external_id", "index", "class", "confidence"]


@router.post("", status_code=202, summary="Predict the pool", responses=problems(403, 404))
def create(
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
    model: int,
) -> PoolPredictionsOut:
    """Let a worker predict every item of the pool: labels for the rest of the data."""
    found = create_predictions(session, project, model, settings)
    return present_with_job(PoolPredictionsOut, *found)


@router.get(
    "",
    summary="Export predictions of the pool",
    response_class=StreamingResponse,
    responses={
        **problems(403, 404, 409, 410),
        200: {
            "content": {
                "application/x-ndjson": {"schema": PredictedItemOut.model_json_schema()},
                "text/csv": {"schema": {"type": "string"}},
            }
        },
    },
)
def export(  # noqa: PLR0913, PLR0917 - the parts of a request
    request: Request,
    session: SessionDep,
    project: ProjectDep,
    _admin: AdminDep,
    store: StoreDep,
    model: int,
    format_: Annotated[Literal["jsonl", "csv"], Query(alias="format")] = "jsonl",
    min_confidence: Annotated[float, Query(ge=0, le=1)] = 0,
) -> StreamingResponse:
    """Stream the newest predictions by import order, as JSON lines or CSV.

    Items that are set aside or were imported since are left out. With `min_confidence` only those
    that the model is so sure of.
    """
    found = read_predictions(store, newest_hash(session, project.id, model))
    sure = np.flatnonzero(found.confidences >= min_confidence)
    kept = PoolPredictions(found.index[sure], found.classes[sure], found.confidences[sure])
    rows = _rows(request, project.id, project.classes, kept)
    body = as_csv(rows, COLUMNS) if format_ == "csv" else as_jsonl(rows)
    return StreamingResponse(body, media_type=EXPORT_TYPES[format_])


def _rows(
    request: Request, project_id: int, names: list[str], found: PoolPredictions
) -> Iterator[PredictedItemOut]:
    """Yield the rows, the items read in short transactions; erased ones are left out."""
    for start in range(0, len(found.index), PAGE):
        here = slice(start, start + PAGE)
        index = found.index[here].tolist()
        with transaction(request.app.state.session_factory) as session:
            named = items.names_by_index(session, project_id, Split.POOL, index)
        parts = (index, found.classes[here].tolist(), found.confidences[here].tolist())
        for at, class_index, confidence in zip(*parts, strict=True):
            if at in named:
                item_id, external_id = named[at]
                yield PredictedItemOut(
                    item_id=item_id,
                    external_id=external_id,
                    index=at,
                    class_=names[class_index],
                    confidence=confidence,
                )
