"""Statements on tasks of Label Studio: which items to push, and which tasks to delete there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Interval, bindparam, case, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from app.db.tables import LabelStudioConnection, LabelStudioTask, TaskState

IDS = bindparam("ids", type_=ARRAY(BigInteger))
LIVE = (TaskState.PUSHING, TaskState.LIVE, TaskState.DELETING)
NO_MORE = (TaskState.WITHDRAWN, TaskState.GONE)


@dataclass(frozen=True)
class Pushable:
    """An open item of the batch that has a free place and is no task yet."""

    batch_item_id: int
    item_id: int


@dataclass(frozen=True)
class UnwantedTask:
    """A task to delete there; with annotations only if its item `is_erased`."""

    row: int
    task_id: int
    is_erased: bool


@dataclass(frozen=True)
class PushedTask:
    """A task to create there.

    Attributes:
        row: its row here.
        suggestion_class: of the proxy; None where there is none to show.
        model_round: number of the round whose proxy suggested it.
    """

    row: int
    item_id: int
    text: str | None
    suggestion_class: int | None
    model_round: int | None


def pushable(
    session: Session, connection: LabelStudioConnection, limit: int, *, again: bool
) -> list[Pushable]:
    """Return open items of the batch that are no task yet, best rank first.

    Args:
        session: in a transaction that holds the project's lock.
        connection: to push to.
        limit: the most items.
        again: also those whose task somebody deleted there.
    """
    given = {
        "connection": connection.id,
        "project": connection.project_id,
        "limit": limit,
        "again": again,
    }
    return [Pushable(*row) for row in session.execute(_PUSHABLE, given)]


_PUSHABLE = text(
    """
    SELECT item.id, item.item_id FROM batch_items AS item
    WHERE item.project_id = :project AND item.state = 'open' AND item.source = 'batch'
        AND NOT EXISTS (
            SELECT FROM label_studio_tasks AS task
            WHERE task.connection_id = :connection AND task.item_id = item.item_id
                AND (task.state IN ('pushing', 'live', 'deleting')
                     OR task.batch_item_id = item.id AND task.state <> 'withdrawn'
                        AND NOT :again))
        AND EXISTS (
            SELECT FROM batch_item_slots AS slot
            WHERE slot.batch_item_id = item.id AND slot.leased_by IS NULL
                AND slot.reserved_for IS NULL AND NOT slot.for_adjudicator)
    ORDER BY item.round_id, item.rank LIMIT :limit
    """
)


def gold_to_push(session: Session, connection: LabelStudioConnection, limit: int) -> list[int]:
    """Return up to `limit` gold items that can be read and nobody has answered there."""
    given = {"connection": connection.id, "project": connection.project_id, "limit": limit}
    return list(session.scalars(_GOLD, given))


_GOLD = text(
    """
    SELECT gold.item_id FROM gold_items AS gold
    WHERE gold.project_id = :project
        AND NOT EXISTS (SELECT FROM set_aside_items AS a WHERE a.item_id = gold.item_id)
        AND NOT EXISTS (
            SELECT FROM label_studio_tasks AS task
            WHERE task.connection_id = :connection AND task.item_id = gold.item_id
                AND (task.state IN ('pushing', 'live', 'deleting') OR task.was_annotated))
    ORDER BY md5(gold.item_id || ':' || :connection) LIMIT :limit
    """
)


def insert_rows(
    session: Session, connection_id: int, places: Sequence[tuple[int, int | None]]
) -> None:
    """Insert tasks that are being pushed, in this order: (item, batch item or None for gold)."""
    last = session.scalar(
        select(func.max(LabelStudioTask.place)).where(
            LabelStudioTask.connection_id == connection_id
        )
    )
    first = 0 if last is None else last + 1
    session.execute(
        insert(LabelStudioTask),
        [
            {
                "connection_id": connection_id,
                "item_id": item_id,
                "batch_item_id": batch_item_id,
                "place": first + n,
            }
            for n, (item_id, batch_item_id) in enumerate(places)
        ],
    )


def to_push(session: Session, connection_id: int, limit: int) -> list[PushedTask]:
    """Return tasks that were not created there yet, in their order."""
    given = {"connection": connection_id, "limit": limit}
    return [PushedTask(*row) for row in session.execute(_TO_PUSH, given)]


_TO_PUSH = text(
    """
    SELECT task.id, task.item_id, item.text,
        CASE WHEN place.is_control THEN NULL ELSE place.suggestion_class END, model.round_number
    FROM label_studio_tasks AS task
    JOIN items AS item ON item.id = task.item_id
    LEFT JOIN batch_items AS place ON place.id = task.batch_item_id
    LEFT JOIN rounds AS round ON round.id = place.round_id
    LEFT JOIN models AS model ON model.id = round.model_id
    WHERE task.connection_id = :connection AND task.state = 'pushing' AND task.task_id IS NULL
        AND item.erased_at IS NULL
    ORDER BY task.place LIMIT :limit
    """
)


def any_to_push(session: Session, connection_id: int) -> bool:
    """Return whether tasks were to be created there whose fate is not known."""
    return bool(to_push(session, connection_id, 1))


def note_created(
    session: Session,
    connection_id: int,
    ids: Mapping[int, int],
    image_until: datetime | None = None,
) -> None:
    """Note the ids of created tasks: row -> task; deleted ones may have had the same."""
    had_them = session.scalars(
        select(LabelStudioTask.id).where(
            LabelStudioTask.connection_id == connection_id,
            LabelStudioTask.task_id.in_(ids.values()),
        )
    )
    note_gone(session, list(had_them))
    for row, task_id in ids.items():
        session.execute(
            update(LabelStudioTask)
            .where(LabelStudioTask.id == row)
            .values(task_id=task_id, state=TaskState.LIVE, image_until=image_until)
        )


def of_task_ids(
    session: Session, connection_id: int, task_ids: Sequence[int]
) -> dict[int, LabelStudioTask]:
    """Return task id -> row, of those known."""
    rows = session.scalars(
        select(LabelStudioTask).where(
            LabelStudioTask.connection_id == connection_id, LabelStudioTask.task_id.in_(task_ids)
        )
    )
    return {row.task_id: row for row in rows if row.task_id is not None}


def of_items(
    session: Session, connection_id: int, item_ids: Sequence[int]
) -> dict[int, LabelStudioTask]:
    """Return item -> its row that is live or on its way."""
    rows = session.scalars(
        select(LabelStudioTask).where(
            LabelStudioTask.connection_id == connection_id,
            LabelStudioTask.item_id.in_(item_ids),
            LabelStudioTask.state.in_(LIVE),
        )
    )
    return {row.item_id: row for row in rows}


def places_of(session: Session, project_id: int, item_ids: Sequence[int]) -> dict[int, int | None]:
    """Return item -> its batch item that is not withdrawn, of the project's items."""
    rows = session.execute(_PLACES, {"project": project_id, "ids": list(item_ids)})
    return {item: place for item, place in rows}  # noqa: C416 - types


_PLACES = text(
    """
    SELECT item.id, place.id FROM items AS item
    LEFT JOIN batch_items AS place ON place.item_id = item.id AND place.state <> 'withdrawn'
    WHERE item.project_id = :project AND item.split = 'pool' AND item.id = ANY (:ids)
    """
).bindparams(IDS)


def live_ids(session: Session, connection_id: int) -> dict[int, int]:
    """Return task id -> row, of the tasks that are there as far as we know."""
    rows = session.execute(
        select(LabelStudioTask.task_id, LabelStudioTask.id).where(
            LabelStudioTask.connection_id == connection_id,
            LabelStudioTask.state.in_((TaskState.LIVE, TaskState.DELETING, TaskState.DUPLICATE)),
        )
    )
    return {task: row for task, row in rows if task is not None}


def gone_among(session: Session, rows: Sequence[int]) -> set[int]:
    """Return those of these tasks that are no longer there."""
    found = session.scalars(
        select(LabelStudioTask.id).where(
            LabelStudioTask.id.in_(rows), LabelStudioTask.state.in_(NO_MORE)
        )
    )
    return set(found)


def note_gone(session: Session, rows: Sequence[int]) -> None:
    """Note that these tasks are no longer there: withdrawn by us, or deleted by somebody.

    Their ids may be given again.
    """
    is_ours = LabelStudioTask.state.in_((TaskState.DELETING, TaskState.WITHDRAWN))
    session.execute(
        update(LabelStudioTask)
        .where(LabelStudioTask.id.in_(rows))
        .values(task_id=None, state=case((is_ours, TaskState.WITHDRAWN), else_=TaskState.GONE))
        .execution_options(synchronize_session=False)
    )


def forgive_deletions(session: Session, connection_id: int) -> None:
    """Let the items of tasks that somebody deleted there be pushed again."""
    session.execute(
        update(LabelStudioTask)
        .where(
            LabelStudioTask.connection_id == connection_id,
            LabelStudioTask.state == TaskState.GONE,
        )
        .values(state=TaskState.WITHDRAWN)
        .execution_options(synchronize_session=False)
    )


def forget(session: Session, connection_id: int) -> None:
    """Note that all tasks of the connection are gone."""
    session.execute(
        update(LabelStudioTask)
        .where(LabelStudioTask.connection_id == connection_id)
        .values(state=TaskState.GONE)
        .execution_options(synchronize_session=False)
    )


def begin_deleting(
    session: Session, connection: LabelStudioConnection, prefix: str, *, keeps_reserve: bool
) -> list[UnwantedTask]:
    """Mark the tasks that are wanted no more; return them, and those marked before.

    Wanted are those that somebody annotated, and those whose item is open and held for them: in a
    batch, or where `keeps_reserve`, in the reserve. Gold is wanted as long as others are. Erased
    items are wanted by nobody.
    """
    given = {
        "connection": connection.id,
        "prefix": f"{prefix}%",
        "keeps_reserve": keeps_reserve,
    }
    session.execute(_GIVE_UP, given)
    return [UnwantedTask(*row) for row in session.execute(_BEGIN_DELETING, given)]


_WANTED = """
    WITH wanted AS MATERIALIZED (
        SELECT task.id, task.batch_item_id FROM label_studio_tasks AS task
        JOIN batch_items AS item ON item.id = task.batch_item_id
        WHERE task.connection_id = :connection AND task.state IN ('live', 'pushing')
            AND item.state = 'open' AND (item.source = 'batch' OR :keeps_reserve)
            AND EXISTS (
                SELECT FROM batch_item_slots AS slot
                JOIN annotators AS holder ON holder.id = slot.leased_by
                WHERE slot.batch_item_id = item.id AND NOT slot.filled
                    AND holder.name LIKE :prefix)
    )
"""
_IS_UNWANTED = """(
    task.batch_item_id IS NOT NULL AND task.id NOT IN (SELECT id FROM wanted)
    OR task.batch_item_id IS NULL AND NOT EXISTS (SELECT FROM wanted)
)"""
# Never created there, as a look at what is there has shown.
_GIVE_UP = text(
    f"""
    {_WANTED}
    UPDATE label_studio_tasks AS task SET state = 'withdrawn'
    WHERE task.connection_id = :connection AND task.state = 'pushing' AND task.task_id IS NULL
        AND {_IS_UNWANTED}
    """  # noqa: S608 - of this module's own words
)
_BEGIN_DELETING = text(
    f"""
    {_WANTED}
    UPDATE label_studio_tasks AS task SET state = 'deleting'
    FROM items AS item
    WHERE task.connection_id = :connection AND item.id = task.item_id
        AND (
            task.state = 'deleting'
            OR task.state = 'duplicate' AND NOT task.was_annotated
            OR task.state = 'live' AND item.erased_at IS NOT NULL
            OR task.state = 'live' AND NOT task.was_annotated AND {_IS_UNWANTED}
        )
    RETURNING task.id, task.task_id, item.erased_at IS NOT NULL
    """  # noqa: S608 - of this module's own words
)


def keep_live(session: Session, rows: Sequence[int]) -> None:
    """Note that these tasks are not deleted after all: somebody has annotated them."""
    session.execute(_KEEP_LIVE, {"ids": list(rows)})


_KEEP_LIVE = text(
    """
    UPDATE label_studio_tasks AS task SET state = CASE
        WHEN EXISTS (
            SELECT FROM label_studio_tasks AS other
            WHERE other.connection_id = task.connection_id AND other.item_id = task.item_id
                AND other.id <> task.id AND other.state IN ('pushing', 'live', 'deleting'))
        THEN 'duplicate' ELSE 'live' END
    WHERE task.id = ANY (:ids)
    """
).bindparams(IDS)


def images_to_renew(
    session: Session, connection_id: int, within: timedelta, limit: int
) -> list[tuple[int, int, int]]:
    """Return (row, task id, item) of live tasks whose image address expires soon."""
    rows = session.execute(
        _TO_RENEW, {"connection": connection_id, "within": within, "limit": limit}
    )
    return [(row, task, item) for row, task, item in rows]


_TO_RENEW = text(
    """
    SELECT id, task_id, item_id FROM label_studio_tasks
    WHERE connection_id = :connection AND state = 'live'
        AND coalesce(image_until, now()) < now() + :within
    ORDER BY image_until NULLS FIRST LIMIT :limit
    """
).bindparams(bindparam("within", type_=Interval))


def note_image(session: Session, row: int, until: datetime) -> None:
    """Note until when the address in the task works."""
    session.execute(
        update(LabelStudioTask).where(LabelStudioTask.id == row).values(image_until=until)
    )
