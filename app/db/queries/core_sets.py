"""Statements on core-sets."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Select, delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as insert_or_update
from sqlalchemy.orm import Session

from app.db.tables import CoreSet, CoreSetItem, CoreSetScores, Item, Job, Split


@dataclass(frozen=True)
class SelectedItem:
    """One item that a core-set's job selected: pool index, label, score."""

    index: int
    class_index: int
    score: float


@dataclass(frozen=True)
class EpochScores:
    """A core-set's selection model after an epoch: accuracy, seconds so far, scores' artifact."""

    epoch: int
    accuracy: float | None
    train_seconds: float
    train_cpu_seconds: float
    scores_hash: str


@dataclass(frozen=True)
class KeptItem:
    """One item of a core-set, in order of selection."""

    rank: int
    item_id: int
    external_id: str
    index: int
    class_index: int
    score: float


def get(session: Session, project_id: int, core_set_id: int) -> tuple[CoreSet, Job] | None:
    """Return one core-set of the project and its newest job."""
    statement = _with_newest_job(project_id).where(CoreSet.id == core_set_id)
    row = session.execute(statement).first()
    return None if row is None else (row[0], row[1])


def list_all(session: Session, project_id: int) -> list[tuple[CoreSet, Job]]:
    """Return every core-set of the project with its newest job, oldest first."""
    statement = _with_newest_job(project_id).order_by(CoreSet.id)
    return [(core_set, job) for core_set, job in session.execute(statement)]


def _with_newest_job(project_id: int) -> Select[CoreSet, Job]:
    newest = (
        select(func.max(Job.id)).where(Job.core_set_id == CoreSet.id).correlate(CoreSet)
    ).scalar_subquery()
    return (
        select(CoreSet, Job)
        .join(Job, Job.core_set_id == CoreSet.id)
        .where(CoreSet.project_id == project_id, Job.id == newest)
        .execution_options(populate_existing=True)
    )


def delete_items(session: Session, core_set_id: int) -> None:
    """Delete the leftovers of an earlier attempt."""
    session.execute(delete(CoreSetItem).where(CoreSetItem.core_set_id == core_set_id))


def insert_items(
    session: Session,
    project_id: int,
    core_set_id: int,
    first_rank: int,
    part: Sequence[SelectedItem],
) -> None:
    """Insert items by pool index, ranked from `first_rank` on."""
    rows_of_part = session.execute(
        select(Item.index, Item.id).where(
            Item.project_id == project_id,
            Item.split == Split.POOL,
            Item.index == func.any([entry.index for entry in part]),
        )
    )
    found = {index: item_id for index, item_id in rows_of_part}  # noqa: C416 - keeps the types
    rows = [
        {
            "core_set_id": core_set_id,
            "rank": first_rank + place,
            "item_id": found[entry.index],
            "class_index": entry.class_index,
            "score": entry.score,
        }
        for place, entry in enumerate(part)
    ]
    session.execute(insert(CoreSetItem), rows)


def kept_items(session: Session, core_set_id: int, after_rank: int, limit: int) -> list[KeptItem]:
    """Return up to `limit` items selected after `after_rank`, in order of selection."""
    rows = session.execute(
        select(CoreSetItem, Item.external_id, Item.index)
        .join(Item, Item.id == CoreSetItem.item_id)
        .where(CoreSetItem.core_set_id == core_set_id, CoreSetItem.rank > after_rank)
        .order_by(CoreSetItem.rank)
        .limit(limit)
    )
    return [
        KeptItem(kept.rank, kept.item_id, external_id, index, kept.class_index, kept.score)
        for kept, external_id, index in rows
    ]


def kept_indices(session: Session, core_set_id: int) -> Sequence[int]:
    """Return the pool indices of all items, in order of selection."""
    return session.scalars(
        select(Item.index)
        .join(CoreSetItem, CoreSetItem.item_id == Item.id)
        .where(CoreSetItem.core_set_id == core_set_id)
        .order_by(CoreSetItem.rank)
    ).all()


def store_scores(session: Session, core_set_id: int, scores: EpochScores) -> None:
    """Insert the measurements after an epoch, or replace those of an earlier attempt."""
    values = asdict(scores)
    session.execute(
        insert_or_update(CoreSetScores)
        .values(core_set_id=core_set_id, **values)
        .on_conflict_do_update(index_elements=["core_set_id", "epoch"], set_=values)
    )


def list_scores(session: Session, core_set_id: int) -> Sequence[CoreSetScores]:
    """Return the measurements of the core-set's selection model, by epoch."""
    return session.scalars(
        select(CoreSetScores)
        .where(CoreSetScores.core_set_id == core_set_id)
        .order_by(CoreSetScores.epoch)
    ).all()


def get_scores(session: Session, core_set_id: int, epoch: int) -> CoreSetScores | None:
    """Return the measurements after this epoch."""
    return session.scalars(
        select(CoreSetScores).where(
            CoreSetScores.core_set_id == core_set_id, CoreSetScores.epoch == epoch
        )
    ).one_or_none()
