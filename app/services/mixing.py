"""Gold among the items that an annotator is handed: how much, where, and looking like the rest.

Where a project has gold, annotators see neither ranks nor suggestions (gold has none), and the
other facts of a gold item are those of an item beside it.
"""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from app.db.queries import gold, labels, leases, rounds
from app.db.queries.leases import LeasedItem, ShownItem, Slot
from app.db.tables import BatchSource, Project
from app.domain.annotation import annotation_from_json, share_of


def replace_by_gold(
    session: Session, project: Project, annotator_id: int, fresh: list[Slot], room: int
) -> tuple[list[Slot], list[int]]:
    """Return (slots that stay leased, gold items to hand out) for a poll with `room` items wanted.

    Each new item is gold with probability `gold_fraction`, drawn by (seed, annotator, gold they
    had, item). Gold fills what room is left, then takes the places of the worst ranked,
    whose leases are given back. No gold without new items: it never keeps a waiting annotator busy.
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
    n_stay = min(len(fresh), room - len(item_ids))
    leases.free_slots(session, fresh[n_stay:])
    return fresh[:n_stay], item_ids


def mix_gold(
    session: Session,
    project: Project,
    annotator_id: int,
    items: list[LeasedItem],
    gold_ids: Sequence[int],
) -> list[LeasedItem]:
    """Return the items with the gold that the annotator holds at places of its own among them."""
    if not gold_ids:
        return items
    mixed = list(items)
    known = labels.items_of_project(session, project.id, gold_ids)
    answers = gold.answers_of(session, annotator_id, gold_ids)
    like = items[0] if items else None
    newest = rounds.newest_published(session, project.id)
    for item_id in sorted(gold_ids):
        item = known[item_id]
        shown = LeasedItem(
            item=ShownItem(item.id, item.project_id, item.index, item.external_id, item.text),
            source=BatchSource.BATCH,
            rank=0,
            suggestion_class=None,
            suggestion_confidence=None,
            model_round=newest.number if newest and newest.model_id else None,
            n_labeled_at_ranking=(newest.n_labeled or 0) if newest else 0,
            leased_until=answers[item_id][0].leased_until,
        )
        if like is not None:
            shown = replace(
                shown,
                source=like.source,
                model_round=like.model_round,
                n_labeled_at_ranking=like.n_labeled_at_ranking,
            )
        place = int(share_of(project.seed, "place", annotator_id, item_id) * (len(mixed) + 1))
        mixed.insert(place, shown)
    return mixed
