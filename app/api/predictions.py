"""The route that predicts given items: for tools that show what the model would say."""

import asyncio
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from sqlalchemy.orm import Session, sessionmaker

from app.api.bodies import Route, takes_bodies_up_to
from app.api.deps import (
    CallerDep,
    ProjectIdDep,
    SettingsDep,
    check_right,
    in_reading_thread,
    in_thread,
    path_project,
)
from app.db.queries import predictions as queries
from app.db.session import reading, transaction
from app.domain.roles import Right
from app.presenters.predictions import present_predictions
from app.schemas.bodies import problems
from app.schemas.predictions import PredictIn, PredictionsOut
from app.services.predictions import (
    PredictingModel,
    Prediction,
    Wanted,
    as_predictions,
    ask,
    find_predicting_model,
    readable,
    too_late,
)

router = APIRouter(prefix="/projects/{project}", tags=["progress"], route_class=Route)
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.01, 0.1


async def may_read(request: Request, caller: CallerDep) -> None:
    """Refuse who may not read the path's project: predictions change nothing, though POSTed."""
    check_right(caller, Right.READ, path_project(request))


@router.post(
    "/predictions",
    summary="Predict given items",
    responses=problems(403, 404, 409),
)
@takes_bodies_up_to("max_predict_bytes")
async def predict(
    request: Request,
    body: PredictIn,
    project: ProjectIdDep,
    _reader: Annotated[None, Depends(may_read)],
    settings: SettingsDep,
) -> PredictionsOut:
    """Return what the project's newest model, or a named one, says of up to 100 texts or images.

    A worker answers, within a second once it holds the model; 503 with `Retry-After` while it does
    not. An item that cannot be read is named, the others are answered.
    """
    factory = request.app.state.session_factory
    model = await in_thread(request, _find, factory, project, body.model_id)
    wanted = [Wanted(item.text, item.image) for item in body.items]
    contents, refused = await in_reading_thread(request, readable, wanted, model, settings)
    found: list[Prediction] = []
    if contents:
        top = min(body.top, len(model.classes))
        asked = partial(_ask, factory, model.id, contents, top)
        found = await _predicted(request, await in_thread(request, asked), settings.predict_seconds)
    return present_predictions(model, body.items, found, refused)


async def _predicted(request: Request, request_id: UUID, seconds: float) -> list[Prediction]:
    """Wait for the answer without a place among those who use the database."""
    factory = request.app.state.session_factory
    clock = asyncio.get_running_loop().time
    until, pause = clock() + seconds, FIRST_PAUSE_SECONDS
    try:
        while clock() < until:
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE_SECONDS)
            answer = await in_thread(request, _look, factory, request_id)
            if answer is not None:
                return as_predictions(answer)
    finally:
        await asyncio.shield(in_thread(request, _remove, factory, request_id))
    raise too_late(seconds)


def _find(factory: sessionmaker[Session], project_id: int, model_id: int | None) -> PredictingModel:
    with transaction(factory) as session:
        return find_predicting_model(session, project_id, model_id)


def _ask(factory: sessionmaker[Session], model_id: int, contents: list[bytes], top: int) -> UUID:
    with transaction(factory) as session:
        return ask(session, model_id, contents, top)


def _look(factory: sessionmaker[Session], request_id: UUID) -> dict[str, object] | None:
    with reading(factory) as session:
        return queries.answer_of(session, request_id)


def _remove(factory: sessionmaker[Session], request_id: UUID) -> None:
    with transaction(factory) as session:
        queries.remove(session, request_id)
