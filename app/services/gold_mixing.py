"""Mixes gold into the items that an annotator gets, so that it looks like the rest.

Where a project has gold or a control arm, annotators see nothing of the ranking, and items come
in an order that does not depend on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.db.queries import gold, labels
from app.db.queries.leases import LeasedItem, ShownItem, Slot
from app.db.tables import BatchSource, Project
from app.domain.annotation import annotation_from_json, share_of


def replace_by_gold(
    session: Session, project: Project, annotator_id: int, fresh: list[Slot], room: int
) -> tuple[list[Slot], list[int]]:
    """Return (slots to lease, gold items to hand out) for a poll with `room` items wanted.

    Each fresh item is gold with probability `gold_fraction`, drawn by (seed, annotator, gold they
    had, item). Gold fills what room is left, then takes the places of the worst ranked. No gold
    without fresh items: it never keeps a waiting annotator busy.
    """
    fraction = annotation_from_json(project.annotation).gold_fraction
    if fraction == 0 or not fresh:
        return fresh, []
    n_had = gold.n_handed_out(session, project.id, annotator_id)
    n_wanted = sum(
        share_of(project.seed, "gold", annotator_id, n_had, batch_item_id) < fraction
        for batch_item_id, _ in fresh
    )
    if n_wanted == 0:
        return fresh, []
    item_ids = gold.candidates(session, project.id, annotator_id, n_wanted)
    return fresh[: min(len(fresh), room - len(item_ids))], item_ids


def hides_ranking(session: Session, project: Project) -> bool:
    """Return whether annotators must see nothing that depends on an item's ranking.

    That is where gold was ever handed out, for gold has no ranking, and where a round drew a
    control arm, for the model is surer of control items than of those that it chose.
    """
    return hides_by_settings(project) or gold.was_handed_out_or_control(session, project.id)


def hides_by_settings(project: Project) -> bool:
    """Return whether the project's present settings alone say so."""
    return (
        annotation_from_json(project.annotation).gold_fraction > 0
        or project.selection["control_fraction"] > 0
    )


@dataclass(frozen=True)
class HandingOrder:
    """Orders one annotator's items without revealing where they come from.

    A function of (seed, annotator, item), so that an item keeps its place among the others from
    poll to poll.
    """

    project: Project
    annotator_id: int

    def of_slot(self, slot: Slot) -> float:
        """Return the place of a leased slot."""
        return share_of(self.project.seed, "place", self.annotator_id, "batch", slot[0])

    def of_gold(self, item_id: int) -> float:
        """Return the place of a gold item."""
        return share_of(self.project.seed, "place", self.annotator_id, "gold", item_id)

    def first(
        self, slots: Sequence[Slot], gold_ids: Sequence[int], size: int
    ) -> tuple[list[Slot], list[int]]:
        """Return the first `size` of both together."""
        places = sorted([*map(self.of_slot, slots), *map(self.of_gold, gold_ids)])[:size]
        last = places[-1] if places else -1.0
        return (
            [slot for slot in slots if self.of_slot(slot) <= last],
            [item_id for item_id in gold_ids if self.of_gold(item_id) <= last],
        )

    def mixed(
        self,
        session: Session,
        leased: Sequence[tuple[Slot, LeasedItem]],
        gold_ids: Sequence[int],
    ) -> list[LeasedItem]:
        """Return the items of leased slots, and the gold, in this order."""
        placed = [(self.of_slot(slot), item) for slot, item in leased]
        shown = _gold_items(session, self.project.id, self.annotator_id, gold_ids)
        placed += [(self.of_gold(item.item.id), item) for item in shown]
        return [item for _, item in sorted(placed, key=lambda entry: entry[0])]


def _gold_items(
    session: Session, project_id: int, annotator_id: int, gold_ids: Sequence[int]
) -> list[LeasedItem]:
    if not gold_ids:
        return []
    known = labels.items_of_project(session, project_id, gold_ids)
    answers = gold.answers_of(session, annotator_id, gold_ids)
    return [
        LeasedItem(
            item=ShownItem(item.id, item.project_id, item.index, item.external_id, item.text),
            source=BatchSource.BATCH,
            rank=0,
            suggestion_class=None,
            suggestion_confidence=None,
            model_round=None,
            n_labeled_at_ranking=0,
            leased_until=answers[item.id][0].leased_until,
        )
        for item in (known[item_id] for item_id in gold_ids)
    ]
