"""Core-sets as the API and pages show them."""

from app.db.queries.core_sets import KeptItem
from app.db.tables import CoreSet, Job
from app.presenters.jobs import present_with_job
from app.schemas.core_sets import CoreSetItemOut, CoreSetOut


def present_core_set(core_set: CoreSet, job: Job) -> CoreSetOut:
    """Return the core-set with the state and progress of its job."""
    return present_with_job(CoreSetOut, core_set, job)


def present_kept_item(kept: KeptItem, classes: list[str]) -> CoreSetItemOut:
    """Return an item of a core-set with the name of its class."""
    return CoreSetItemOut(
        rank=kept.rank,
        item_id=kept.item_id,
        external_id=kept.external_id,
        index=kept.index,
        class_=classes[kept.class_index],
        score=kept.score,
    )
