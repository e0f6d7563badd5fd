"""Routes of next-batch, which annotation tools poll, and of leases."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.bodies import Route
from app.api.deps import (
    AnnotatorIdDep,
    CallerDep,
    ImageUrlsDep,
    ProjectIdDep,
    SettingsDep,
)
from app.api.even_time import EvenSessionDep
from app.api.responses import rendered
from app.presenters.leases import present_leases, present_next_batch
from app.schemas.bodies import problems
from app.schemas.leases import LeasesIn, LeasesOut, NextBatchOut
from app.services.leases import next_batch, release_leases, renew_leases

router = APIRouter(prefix="/projects/{project}", tags=["labeling"], route_class=Route)


@router.get(
    "/next-batch",
    summary="Lease the next items",
    response_model=NextBatchOut,
    responses=problems(403, 404),
)
def read_next_batch(  # noqa: PLR0913, PLR0917 - the parts of a request
    session: EvenSessionDep,
    project: ProjectIdDep,
    caller: CallerDep,
    annotator_id: AnnotatorIdDep,
    settings: SettingsDep,
    urls: ImageUrlsDep,
    size: Annotated[int, Query(ge=1, le=1000, description="Items wanted.")] = 10,
) -> Response:
    """Return items leased to the annotator: safe to retry, what is still leased comes first.

    Nothing to hand out: an empty list, the project's state, what it waits for, and `Retry-After`
    in seconds.
    """
    tool = caller.token_id if annotator_id != caller.annotator_id else None
    batch = next_batch(session, project, annotator_id, size, settings, token_id=tool)
    session.commit()  # others wait for the project's lock
    headers = {"Cache-Control": "no-store"}
    if not batch.items:
        headers["Retry-After"] = str(settings.poll_after_seconds)
    return rendered(present_next_batch(batch, urls), headers)


@router.post("/leases/renew", summary="Renew leases", responses=problems(403, 404, 409))
def renew(
    body: LeasesIn,
    session: EvenSessionDep,
    project: ProjectIdDep,
    annotator_id: AnnotatorIdDep,
    settings: SettingsDep,
) -> LeasesOut:
    """Extend the annotator's live leases; one that has ended is missing from the answer."""
    return present_leases(renew_leases(session, project, annotator_id, body.item_ids, settings))


@router.post("/leases/release", summary="Release leases", responses=problems(403, 404))
def release(
    body: LeasesIn,
    session: EvenSessionDep,
    project: ProjectIdDep,
    annotator_id: AnnotatorIdDep,
    settings: SettingsDep,
) -> LeasesOut:
    """Release some or all items unlabeled, for others to take. Returns the other leases."""
    return present_leases(release_leases(session, project, annotator_id, body.item_ids, settings))
