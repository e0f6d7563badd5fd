"""The statement that finds free slots for an annotator, best rank first.

It expects that the caller holds the project's row lock.
"""

from collections.abc import Callable
from itertools import groupby
from operator import itemgetter

from sqlalchemy import BigInteger, Boolean, bindparam, text
from sqlalchemy.orm import Session

from app.db.queries.leases import Slot

DRAWN_FROM = 64  # items that a poll draws from beyond those that it hands out
KEPT = 0  # the part of what is kept for the annotator


def free_slots(  # noqa: PLR0913 - by name: which slots, in which order
    session: Session,
    project_id: int,
    annotator_id: int,
    limit: int,
    *,
    unspent: int,
    is_adjudicator: bool = False,
    order: Callable[[Slot], float] | None = None,
) -> list[Slot]:
    """Return up to `limit` slots that are free for the annotator, one per item.

    First come slots that are kept for them: of items reassigned to them and, for an adjudicator, of
    items whose labels do not agree. Then what the budget already counts: items of the batch, then
    reserve that others hold or answered. Then reserve that nobody holds, while the budget allows.
    The newest ranking goes first, best rank first. Leaves out items that this annotator holds or
    has answered, and slots kept for others.

    Args:
        session: whose transaction this is.
        project_id: of the items.
        annotator_id: who wants them.
        limit: how many.
        unspent: items of the total budget that have no label yet, those that are open included.
        is_adjudicator: whether the annotator decides where labels do not agree.
        order: chooses among a few more of the best ranked, where nothing is kept.
    """
    if limit <= 0:
        return []
    given = {
        "project": project_id,
        "annotator": annotator_id,
        "limit": limit,
        "more": 0 if order is None else DRAWN_FROM,
        "unspent": unspent,
        "is_adjudicator": is_adjudicator,
    }
    slots: list[Slot] = []
    rows = session.execute(_FREE_SLOTS, given).all()
    for (part, most), found in groupby(rows, itemgetter(0, 1)):
        best = [(row.id, row.slot) for row in found]
        in_order = sorted(best, key=order) if order and part != KEPT else best
        slots += in_order[: min(limit - len(slots), most)]
    return slots


# A slot that is free, and not kept for somebody else.
_IS_FREE = """
    slot.leased_by IS NULL AND (slot.reserved_for IS NULL OR slot.reserved_for = :annotator)
    AND (:is_adjudicator OR NOT slot.for_adjudicator)
"""
# An item's slots at one look. As an aggregate beside each item, which Postgres looks up in the
# order of the items and only until there are enough; conditions by EXISTS it joins for all that is
# open, which it then sorts.
_SLOTS = f"""
    LATERAL (
        SELECT min(slot.slot) FILTER (WHERE {_IS_FREE}) AS first_free,
            bool_or(slot.leased_by = :annotator) IS TRUE AS is_mine,
            bool_or(slot.leased_by IS NOT NULL) AS is_taken
        FROM batch_item_slots AS slot WHERE slot.batch_item_id = item.id
    ) AS slots
"""  # noqa: S608 - of this module's own words


def _best_of_rounds(source: str, *conditions: str) -> str:
    """Return the query of a source's free slots, newest round and best rank first.

    A few rows of each round, in the order of the index ix_batch_items_open: sorting all that is
    open would cost every poll the size of the batch.
    """
    return f"""
        SELECT best.* FROM rounds AS round CROSS JOIN LATERAL (
            SELECT item.id, slots.first_free AS slot, item.round_id, item.rank
            FROM batch_items AS item CROSS JOIN {_SLOTS}
            WHERE item.project_id = :project AND item.source = '{source}'
                AND item.round_id = round.id AND item.state = 'open'
                AND {" AND ".join(conditions)}
                AND slots.first_free IS NOT NULL AND NOT slots.is_mine
            ORDER BY item.rank LIMIT :limit + :more
        ) AS best
        WHERE round.project_id = :project
        ORDER BY best.round_id DESC, best.rank
    """  # noqa: S608 - of this module's own words


# What is held is read once. An item that wants one label is passed over by that, without a look at
# its slot: hundreds of held items at the head of a batch cost next to nothing.
_IS_HELD = "item.id IN (SELECT id FROM held)"
# In the words of the index ix_batch_items_several. Only such an item has a free slot while it is
# committed.
_WANTS_SEVERAL = "(item.labels_wanted > 1 OR item.is_requeued)"
_IS_NOT_KEPT = "item.id NOT IN (SELECT id FROM kept)"
_IS_COMMITTED = "(slots.is_taken OR item.is_requeued)"
_N_BEFORE = "(SELECT count(*) FROM kept) + (SELECT count(*) FROM of_batch)"
_FREE_SLOTS = text(
    f"""
    WITH held AS MATERIALIZED (
        SELECT batch_item_id AS id FROM batch_item_slots
        WHERE project_id = :project AND leased_until IS NOT NULL AND NOT filled
    ), kept AS MATERIALIZED (
        SELECT item.id, found.slot, item.round_id, item.rank
        FROM (
            SELECT slot.batch_item_id AS id, min(slot.slot) AS slot
            FROM batch_item_slots AS slot
            WHERE slot.project_id = :project
                AND (slot.reserved_for IS NOT NULL OR slot.for_adjudicator) AND {_IS_FREE}
            GROUP BY slot.batch_item_id
        ) AS found
        JOIN batch_items AS item ON item.id = found.id CROSS JOIN {_SLOTS}
        WHERE item.state = 'open' AND NOT slots.is_mine
            AND (item.source = 'batch' OR {_IS_COMMITTED})
        ORDER BY item.round_id, item.rank LIMIT :limit
    ), of_batch AS MATERIALIZED (
        {_best_of_rounds("batch", f"({_WANTS_SEVERAL} OR NOT {_IS_HELD})", _IS_NOT_KEPT)}
        LIMIT :limit + :more
    ), committed AS MATERIALIZED (
        SELECT item.id, slots.first_free AS slot, item.round_id, item.rank
        FROM batch_items AS item CROSS JOIN {_SLOTS}
        WHERE item.project_id = :project AND item.state = 'open' AND item.source = 'reserve'
            AND {_WANTS_SEVERAL} AND {_IS_COMMITTED} AND {_IS_NOT_KEPT}
            AND slots.first_free IS NOT NULL AND NOT slots.is_mine
        ORDER BY item.round_id DESC, item.rank
        LIMIT CASE WHEN {_N_BEFORE} >= :limit THEN 0 ELSE :limit + :more END
    ), counted AS MATERIALIZED (
        SELECT count(*) AS n FROM (
            SELECT item.id FROM batch_items AS item
            WHERE item.project_id = :project AND item.state = 'open' AND item.source = 'batch'
            UNION
            SELECT item.id FROM held JOIN batch_items AS item USING (id) WHERE item.state = 'open'
            UNION
            SELECT item.id FROM batch_items AS item CROSS JOIN {_SLOTS}
            WHERE item.project_id = :project AND item.state = 'open' AND item.source = 'reserve'
                AND {_WANTS_SEVERAL} AND {_IS_COMMITTED}
        ) AS every
    ), left_over AS MATERIALIZED (
        SELECT greatest(0, :unspent - n) AS n FROM counted
    ), uncommitted AS MATERIALIZED (
        {_best_of_rounds("reserve", f"NOT {_IS_HELD}", f"NOT {_IS_COMMITTED}")}
        LIMIT CASE
            WHEN {_N_BEFORE} + (SELECT count(*) FROM committed) >= :limit THEN 0
            WHEN (SELECT n FROM left_over) = 0 THEN 0
            ELSE :limit + :more
        END
    )
    SELECT 0 AS part, :limit AS most, id, slot, round_id AS age, rank FROM kept
    UNION ALL SELECT 1, :limit, id, slot, -round_id, rank FROM of_batch
    UNION ALL SELECT 2, :limit, id, slot, -round_id, rank FROM committed
    UNION ALL SELECT 3, (SELECT n FROM left_over), id, slot, -round_id, rank FROM uncommitted
    ORDER BY part, age, rank
    """  # noqa: S608
).bindparams(
    *[bindparam(name, type_=BigInteger) for name in ("project", "annotator", "limit", "more")],
    bindparam("unspent", type_=BigInteger),
    bindparam("is_adjudicator", type_=Boolean),
)
