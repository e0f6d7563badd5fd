"""Counts of labels that several annotators gave to the same items; adjudications left out."""

from dataclasses import dataclass, field

from sqlalchemy import Float, Subquery, cast, exists, func, select
from sqlalchemy.orm import Session, aliased

from app.db.tables import BatchItem, Label, ResolvedLabel, Round
from app.domain.agreement import ClassCounts

COUNTS_AS_OPINION = (Label.withdrawn_at.is_(None), ~Label.is_adjudication)


@dataclass(frozen=True)
class PairCounts:
    """Items that two annotators both labeled, by (class of the first, class of the second)."""

    first: int
    second: int
    classes: dict[tuple[int, int], int] = field(default_factory=dict)


def counts_by_round(session: Session, project_id: int) -> dict[int | None, ClassCounts]:
    """Return round number -> counts over its items with at least two labels.

    None: over items with imported labels, which no round asked for.
    """
    per_class = _labels_by_item_and_class(project_id)
    n = cast(per_class.c.n, Float)
    m = func.sum(per_class.c.n).over(partition_by=per_class.c.item_id)
    per_item = select(per_class, n.label("n_float"), cast(m, Float).label("m")).subquery()
    shared = per_item.c.m >= 2
    matches = per_item.c.n_float * (per_item.c.n_float - 1) / (per_item.c.m - 1)
    rows = session.execute(
        select(
            per_item.c.number,
            per_item.c.class_index,
            func.sum(per_item.c.n_float),
            func.sum(matches),
            func.sum(matches / per_item.c.m),
        )
        .where(shared)
        .group_by(per_item.c.number, per_item.c.class_index)
    )
    counts: dict[int | None, ClassCounts] = {}
    for number, class_index, n_labels, matching, pairs in rows:
        of_round = counts.setdefault(number, ClassCounts())
        of_round.labels[class_index] = int(n_labels)
        of_round.matches[class_index] = matching
        of_round.agreeing_pairs += pairs
    items = session.execute(
        select(per_item.c.number, func.count(per_item.c.item_id.distinct()))
        .where(shared)
        .group_by(per_item.c.number)
    )
    for number, n_items in items:
        counts[number].n_items = n_items
    return counts


def _labels_by_item_and_class(project_id: int) -> Subquery:
    return (
        select(
            Round.number,
            Label.item_id,
            Label.class_index,
            func.count().label("n"),
        )
        .outerjoin(BatchItem, BatchItem.id == Label.batch_item_id)
        .outerjoin(Round, Round.id == BatchItem.round_id)
        .where(Label.project_id == project_id, *COUNTS_AS_OPINION)
        .group_by(Round.number, Label.item_id, Label.class_index)
        .subquery()
    )


def pairs(session: Session, project_id: int) -> list[PairCounts]:
    """Return the counts of each two annotators who labeled an item both; ids ascend in a pair."""
    other = aliased(Label)
    rows = session.execute(
        select(
            Label.annotator_id,
            other.annotator_id,
            Label.class_index,
            other.class_index,
            func.count(),
        )
        .join(
            other,
            (other.item_id == Label.item_id) & (other.annotator_id > Label.annotator_id),
        )
        .where(
            Label.project_id == project_id,
            *COUNTS_AS_OPINION,
            other.withdrawn_at.is_(None),
            ~other.is_adjudication,
        )
        .group_by(Label.annotator_id, other.annotator_id, Label.class_index, other.class_index)
    )
    found: dict[tuple[int, int], PairCounts] = {}
    for first, second, class_first, class_second, n in rows:
        pair = found.setdefault((first, second), PairCounts(first, second))
        pair.classes[class_first, class_second] = n
    return [found[key] for key in sorted(found)]


def with_consensus(session: Session, project_id: int) -> dict[int, tuple[int, int]]:
    """Return annotator id -> (labels of shared items that are resolved, of these that agree).

    An item is shared if somebody else labeled it, too: of an item's only label the resolved one is
    a copy. Annotators without shared items are there with zeros.
    """
    other = aliased(Label)
    is_shared = exists().where(
        other.item_id == Label.item_id,
        other.annotator_id != Label.annotator_id,
        other.withdrawn_at.is_(None),
    )
    rows = session.execute(
        select(
            Label.annotator_id,
            func.count().filter(is_shared),
            func.count().filter(is_shared, Label.class_index == ResolvedLabel.class_index),
        )
        .join(ResolvedLabel, ResolvedLabel.item_id == Label.item_id)
        .where(Label.project_id == project_id, *COUNTS_AS_OPINION)
        .group_by(Label.annotator_id)
    )
    return {annotator_id: (n, n_same) for annotator_id, n, n_same in rows}
