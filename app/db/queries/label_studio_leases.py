"""Statements on leases of a class of their own: places that Label Studio's tasks hold, for days.

Each slot number of a connection has a holder, an annotator of an unguessable name who answers
nothing: so that one item's slots can all be held. Expects the project's row lock.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import BigInteger, Interval, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from app.db.tables import LabelStudioConnection

IDS = bindparam("ids", type_=ARRAY(BigInteger))
DAYS = bindparam("lease", type_=Interval)
# Of a live or coming task: its open batch item.
_ITEMS = """
    label_studio_tasks AS task JOIN batch_items AS item ON item.id = task.batch_item_id
"""
_IS_LIVE = "task.connection_id = :connection AND task.state IN ('pushing', 'live')"


def prefix_of(connection: LabelStudioConnection) -> str:
    """Return what the names of the connection's holders begin with."""
    return f"Label Studio {connection.uid.hex} place "


def ensure_holders(session: Session, connection: LabelStudioConnection) -> None:
    """Insert a holder for every slot number of the project's open items."""
    given = {"project": connection.project_id, "prefix": prefix_of(connection)}
    session.execute(_ENSURE, given)


_ENSURE = text(
    """
    INSERT INTO annotators (name)
    SELECT :prefix || slot.slot FROM (
        SELECT DISTINCT slot.slot FROM batch_item_slots AS slot
        JOIN batch_items AS item ON item.id = slot.batch_item_id
        WHERE item.project_id = :project AND item.state = 'open'
    ) AS slot
    ON CONFLICT (name) DO NOTHING
    """
)


def hold(session: Session, connection: LabelStudioConnection, days: float) -> int:
    """Lease the free slots of live tasks' items and renew what is held; return how many changed.

    Reserve that nobody holds is left alone: the budget may have no room for it. A lease is renewed
    once half of it is over.
    """
    given = {
        "connection": connection.id,
        "prefix": prefix_of(connection),
        "lease": timedelta(days=days),
    }
    return len(session.execute(_HOLD, given).all())


_HOLD = text(
    f"""
    UPDATE batch_item_slots AS slot
    SET leased_by = holder.id, leased_until = now() + :lease
    FROM {_ITEMS}, annotators AS holder
    WHERE {_IS_LIVE} AND item.state = 'open' AND slot.batch_item_id = item.id
        AND NOT slot.filled AND NOT slot.for_adjudicator AND slot.reserved_for IS NULL
        AND holder.name = :prefix || slot.slot
        AND (
            slot.leased_by IS NULL AND (
                item.source = 'batch' OR item.is_requeued OR EXISTS (
                    SELECT FROM batch_item_slots AS other
                    WHERE other.batch_item_id = item.id AND other.leased_by IS NOT NULL))
            OR slot.leased_by = holder.id AND slot.leased_until < now() + :lease / 2
        )
    RETURNING slot.slot
    """  # noqa: S608 - of this module's own words
).bindparams(DAYS)


def hand_over(
    session: Session, connection: LabelStudioConnection, annotator_id: int, item_ids: Sequence[int]
) -> None:
    """Move one held slot of each of these items to an annotator who has none of it."""
    given = {
        "connection": connection.id,
        "prefix": f"{prefix_of(connection)}%",
        "annotator": annotator_id,
        "ids": list(item_ids),
    }
    session.execute(_HAND_OVER, given)


_HAND_OVER = text(
    """
    UPDATE batch_item_slots AS slot SET leased_by = :annotator
    FROM (
        SELECT DISTINCT ON (held.batch_item_id) held.batch_item_id, held.slot
        FROM batch_items AS item
        JOIN batch_item_slots AS held ON held.batch_item_id = item.id
        JOIN annotators AS holder ON holder.id = held.leased_by
        WHERE item.item_id = ANY (:ids) AND item.state = 'open' AND NOT held.filled
            AND holder.name LIKE :prefix
            AND NOT EXISTS (
                SELECT FROM batch_item_slots AS own
                WHERE own.batch_item_id = item.id AND own.leased_by = :annotator)
        ORDER BY held.batch_item_id, held.slot
    ) AS first
    WHERE slot.batch_item_id = first.batch_item_id AND slot.slot = first.slot
    """
).bindparams(IDS, bindparam("annotator", type_=BigInteger))


def take_back(
    session: Session,
    connection: LabelStudioConnection,
    annotator_id: int,
    item_ids: Sequence[int],
    days: float,
) -> None:
    """Move what the annotator holds of these items back; what is no task any more becomes free."""
    given = {
        "connection": connection.id,
        "prefix": prefix_of(connection),
        "annotator": annotator_id,
        "ids": list(item_ids),
        "lease": timedelta(days=days),
    }
    session.execute(_TAKE_BACK, given)


_TAKE_BACK = text(
    f"""
    UPDATE batch_item_slots AS slot
    SET leased_by = task.holder,
        leased_until = CASE WHEN task.holder IS NULL THEN NULL ELSE now() + :lease END
    FROM batch_items AS item
    JOIN batch_item_slots AS own ON own.batch_item_id = item.id
    LEFT JOIN LATERAL (
        SELECT holder.id AS holder FROM label_studio_tasks AS task, annotators AS holder
        WHERE {_IS_LIVE} AND task.batch_item_id = item.id AND item.state = 'open'
            AND holder.name = :prefix || own.slot
    ) AS task ON true
    WHERE item.item_id = ANY (:ids) AND item.state IN ('open', 'skipped')
        AND own.leased_by = :annotator AND NOT own.filled
        AND slot.batch_item_id = own.batch_item_id AND slot.slot = own.slot
    """  # noqa: S608 - of this module's own words
).bindparams(DAYS, IDS, bindparam("annotator", type_=BigInteger))


def release(session: Session, connection: LabelStudioConnection, rows: Sequence[int] | None) -> int:
    """Free what is held for these tasks, or for all; return how many slots."""
    given = {
        "prefix": f"{prefix_of(connection)}%",
        "project": connection.project_id,
        "ids": None if rows is None else list(rows),
    }
    return len(session.execute(_RELEASE, given).all())


_RELEASE = text(
    """
    UPDATE batch_item_slots AS slot SET leased_by = NULL, leased_until = NULL
    FROM annotators AS holder
    WHERE holder.name LIKE :prefix AND slot.leased_by = holder.id
        AND slot.project_id = :project AND NOT slot.filled
        AND (:ids IS NULL OR slot.batch_item_id IN (
            SELECT batch_item_id FROM label_studio_tasks WHERE id = ANY (:ids)))
    RETURNING slot.slot
    """
).bindparams(IDS, bindparam("project", type_=BigInteger))


def give_up(session: Session, connection: LabelStudioConnection, n: int) -> int:
    """Turn up to `n` held items of the batch that nobody answered into reserve; return how many.

    Worst rank first; they are free, and the budget has room for others.
    """
    given = {"connection": connection.id, "prefix": f"{prefix_of(connection)}%", "n": n}
    return len(set(session.scalars(_GIVE_UP, given)))


_GIVE_UP = text(
    f"""
    WITH given_up AS (
        UPDATE batch_items SET source = 'reserve'
        WHERE id IN (
            SELECT item.id FROM {_ITEMS}
            WHERE {_IS_LIVE} AND NOT task.was_annotated AND item.state = 'open'
                AND item.source = 'batch' AND NOT item.is_requeued
                AND NOT EXISTS (
                    SELECT FROM batch_item_slots AS slot
                    LEFT JOIN annotators AS holder
                        ON holder.id = slot.leased_by AND holder.name LIKE :prefix
                    WHERE slot.batch_item_id = item.id AND (slot.filled OR holder.id IS NULL))
            ORDER BY item.round_id, item.rank DESC LIMIT :n)
        RETURNING id
    )
    UPDATE batch_item_slots AS slot SET leased_by = NULL, leased_until = NULL
    FROM given_up WHERE slot.batch_item_id = given_up.id
    RETURNING slot.batch_item_id
    """  # noqa: S608 - of this module's own words
).bindparams(bindparam("n", type_=BigInteger))
