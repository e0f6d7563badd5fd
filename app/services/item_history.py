"""All that happened to one item: selections, leases, labels, flags, gold, suspicion."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.db.queries import item_filters, labels
from app.db.queries import item_history as queries
from app.db.queries.item_filters import ListedItem
from app.db.queries.item_history import Named, Selected, Slot
from app.db.queries.labels import GivenLabel
from app.db.tables import Analysis, Project, SetAsideItem, SuspectedLabel
from app.domain.errors import NotFound


@dataclass(frozen=True)
class ItemHistory:
    """An item and what happened to it; `earlier` are the replaced classes by label id."""

    item: ListedItem
    set_aside: SetAsideItem | None
    selections: list[Selected]
    slots: dict[int, list[Slot]]
    given: list[GivenLabel]
    earlier: dict[int, list[int]]
    flags: list[Named]
    gold_answers: list[Named]
    suspicions: list[tuple[SuspectedLabel, Analysis]]


def read_item_history(session: Session, project: Project, item_id: int) -> ItemHistory:
    """Return the item's history.

    Raises:
        NotFound: the project has no such item.
    """
    found = item_filters.listed(session, project.id, item_id)
    if found is None:
        raise NotFound("item", item_id)
    selections = queries.selections(session, item_id)
    slots: dict[int, list[Slot]] = {}
    for slot in queries.open_slots(session, [s.batch_item.id for s in selections]):
        slots.setdefault(slot.slot.batch_item_id, []).append(slot)
    given = labels.given_labels(session, [item_id], with_withdrawn=True).get(item_id, [])
    return ItemHistory(
        item=found,
        set_aside=queries.set_aside(session, item_id),
        selections=selections,
        slots=slots,
        given=given,
        earlier=labels.earlier_classes(session, [each.label.id for each in given]),
        flags=queries.flags_of(session, item_id),
        gold_answers=queries.gold_answers(session, item_id),
        suspicions=queries.suspicions(session, found.item),
    )
