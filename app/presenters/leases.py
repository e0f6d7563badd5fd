"""Leased items as the API and pages show them."""

from app.db.queries.leases import LeasedItem
from app.domain.states import ProjectState
from app.presenters.items import content_of
from app.schemas.leases import BatchItemOut, LeaseOut, LeasesOut, NextBatchOut, Suggestion
from app.services.image_urls import ImageUrls
from app.services.leases import NextBatch


def _suggestion(batch: NextBatch, leased: LeasedItem) -> Suggestion | None:
    if leased.suggestion_class is None or leased.suggestion_confidence is None:
        return None
    return Suggestion(
        class_=batch.project.classes[leased.suggestion_class],
        confidence=leased.suggestion_confidence,
    )


def present_leased_item(batch: NextBatch, leased: LeasedItem, urls: ImageUrls) -> BatchItemOut:
    """Return the item with its lease, and with its ranking where annotators may know it."""
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


def present_next_batch(batch: NextBatch, urls: ImageUrls) -> NextBatchOut:
    """Return the leased items, or the reason why there are none."""
    number = batch.round_.number if batch.round_ and not batch.hides_ranking else None
    return NextBatchOut(
        state=ProjectState(batch.project.state),
        round=number,
        waiting_for=batch.waiting_for,
        ready_in_seconds=batch.ready_in_seconds,
        items=[present_leased_item(batch, leased, urls) for leased in batch.items],
    )


def present_leases(items: list[LeasedItem]) -> LeasesOut:
    """Return the items and until when they are leased."""
    return LeasesOut(
        leases=[LeaseOut(item_id=i.item.id, leased_until=i.leased_until) for i in items]
    )
