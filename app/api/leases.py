"""Routes of next-batch, which annotation tools poll, and of leases."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.bodies import Route
from app.api.deps import (
    AnnotatorIdDep,
    CallerDep,
    ImageUrlsDep,
    ProjectIdDep,
    SessionDep,
    SettingsDep,
)
from app.api.items import content_of
from app.api.responses import rendered
from app.db.queries.leases import LeasedItem
from app.domain.states import ProjectState
from app.schemas.bodies import problems
from app.schemas.leases import BatchItemOut, LeaseOut, LeasesIn, LeasesOut, NextBatchOut, Suggestion
from app.services.image_urls import ImageUrls
from app.services.leases import NextBatch, next_batch, release_leases, renew_leases

router = APIRouter(prefix="/projects/{project}", tags=["labeling"], route_class=Route)


def _suggestion(batch: NextBatch, leased: LeasedItem) -> Suggestion | None:
    if leased.suggestion_class is None or leased.suggestion_confidence is None:
        return None
    return Suggestion(
        class_=batch.project.classes[leased.suggestion_class],
        confidence=leased.suggestion_confidence,
    )


def _render(batch: NextBatch, leased: LeasedItem, urls: ImageUrls) -> BatchItemOut:
    shown = BatchItemOut(
        item_id=leased.item.id,
        external_id=leased.item.external_id,
        content=content_of(leased.item, urls),
        leased_until=leased.leased_until,
    )
    if not batch.hides_ranking:
        shown.suggestion = _suggestion(batch, leased)
        shown.rank = leased.rank
        shown.source = leased.source
        shown.model_version = None if leased.model_round is None else f"round-{leased.model_round}"
        shown.labels_behind = batch.labels_behind(leased)
    return shown


@router.get(
    "/next-batch",
    summary="Lease the next items",
    response_model=NextBatchOut,
    responses=problems(403, 404),
)
def read_next_batch(
    session: SessionDep,
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
    number = batch.round_.number if batch.round_ and not batch.hides_ranking else None
    answer = NextBatchOut(
        state=ProjectState(batch.project.state),
        round=number,
        waiting_for=batch.waiting_for,
        items=[_render(batch, leased, urls) for leased in batch.items],
    )
    return rendered(answer, headers)


@router.post("/leases/renew", summary="Renew leases", responses=problems(403, 404, 409))
def renew(
    body: LeasesIn,
    session: SessionDep,
    project: ProjectIdDep,
    annotator_id: AnnotatorIdDep,
    settings: SettingsDep,
) -> LeasesOut:
    """Extend the annotator's live leases; one that has ended is missing from the answer."""
    return _leases(renew_leases(session, project, annotator_id, body.item_ids, settings))


@router.post("/leases/release", summary="Release leases", responses=problems(403, 404))
def release(
    body: LeasesIn,
    session: SessionDep,
    project: ProjectIdDep,
    annotator_id: AnnotatorIdDep,
    settings: SettingsDep,
) -> LeasesOut:
    """Give items back unlabeled, some or all; others get them at once. Returns what is left."""
    return _leases(release_leases(session, project, annotator_id, body.item_ids, settings))


def _leases(items: list[LeasedItem]) -> LeasesOut:
    return LeasesOut(
        leases=[LeaseOut(item_id=i.item.id, leased_until=i.leased_until) for i in items]
    )
