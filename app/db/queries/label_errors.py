"""Statements on labels that an analysis suspects to be wrong."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from app.db.tables import Item, ResolvedLabel, Split, SuspectedLabel


@dataclass(frozen=True)
class Suspected:
    """One label that is likely wrong, of the pool item of this index; probabilities out of sample.

    Attributes:
        class_index: of the label.
        suggested_class: the most probable one.
        suspicion: 0..1, higher = more likely wrong.
        reasons: why, each by its name.
    """

    index: int
    class_index: int
    suggested_class: int
    suggested_probability: float
    label_probability: float
    suspicion: float
    reasons: list[str]


@dataclass(frozen=True)
class SuspectedItem:
    """A suspected label with its item; `class_now` is None while the item waits for opinions."""

    suspected: SuspectedLabel
    external_id: str
    index: int
    class_now: int | None
    text: str | None


def replace_all(
    session: Session, project_id: int, analysis_id: int, found: Sequence[Suspected]
) -> None:
    """Store the suspected labels, most suspected first, in place of an earlier attempt's."""
    session.execute(delete(SuspectedLabel).where(SuspectedLabel.analysis_id == analysis_id))
    if not found:
        return
    rows_of_items = session.execute(
        select(Item.index, Item.id).where(
            Item.project_id == project_id,
            Item.split == Split.POOL,
            Item.index == func.any([entry.index for entry in found]),
        )
    )
    ids = {index: item_id for index, item_id in rows_of_items}  # noqa: C416 - keeps the types
    rows = []
    for rank, entry in enumerate(found):
        values = asdict(entry)
        item_id = ids[values.pop("index")]
        rows.append({"analysis_id": analysis_id, "rank": rank, "item_id": item_id, **values})
    session.execute(insert(SuspectedLabel), rows)


def page(session: Session, analysis_id: int, after_rank: int, limit: int) -> list[SuspectedItem]:
    """Return up to `limit` suspected labels below this rank, most suspected first."""
    rows = session.execute(
        select(SuspectedLabel, Item.external_id, Item.index, ResolvedLabel.class_index, Item.text)
        .join(Item, Item.id == SuspectedLabel.item_id)
        .outerjoin(ResolvedLabel, ResolvedLabel.item_id == Item.id)
        .where(SuspectedLabel.analysis_id == analysis_id, SuspectedLabel.rank > after_rank)
        .order_by(SuspectedLabel.rank)
        .limit(limit)
    )
    return [SuspectedItem(*row) for row in rows]
