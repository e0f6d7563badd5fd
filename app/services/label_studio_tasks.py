"""Items as tasks of Label Studio: chosen, leased, known by their ids, and wanted no more."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import label_studio, projects, tokens
from app.db.queries import label_studio_annotations as annotation_queries
from app.db.queries import label_studio_leases as leases
from app.db.queries import label_studio_tasks as queries
from app.db.queries.label_studio_tasks import Pushable, PushedTask, UnwantedTask
from app.db.tables import (
    LabelStudioAnnotation,
    LabelStudioConnection,
    LabelStudioTask,
    Project,
    RoundEnd,
    TaskState,
)
from app.domain.annotation import annotation_from_json, share_of
from app.domain.errors import InvalidName
from app.domain.names import normalised
from app.domain.states import LABEL_ACCEPTING_PROJECT_STATES, ProjectState
from app.integrations.label_studio.client import AnnotationThere, TaskThere
from app.integrations.label_studio.labeling_config import LabelingConfig
from app.services.gold_mixing import hides_ranking
from app.services.leases import after_freeing, release_expired

ITEM_KEY = "svp_item"  # in a task's data: which item it shows
AT_ONCE = 1000  # items leased in one transaction


def choose_tasks(
    session: Session, connection: LabelStudioConnection, settings: Settings, *, again: bool
) -> int:
    """Lease open items of the batch and note that they are pushed; return how many.

    Best rank first; where annotators must not learn of the ranking, in an order without it, and
    with gold among them.
    """
    project = projects.lock(session, connection.project_id)
    if project.state != ProjectState.RUNNING:
        return 0
    release_expired(session, project, settings)
    found = queries.pushable(session, connection, AT_ONCE, again=again)
    if not found:
        return 0
    places: list[tuple[int, int | None]] = [(one.item_id, one.batch_item_id) for one in found]
    if hides_ranking(session, project):
        places += [(item_id, None) for item_id in _gold(session, connection, project, found)]
        places.sort(key=lambda place: share_of(project.seed, "label studio", place[0]))
    queries.insert_rows(session, connection.id, places)
    hold(session, connection, settings)
    return len(places)


def _gold(
    session: Session,
    connection: LabelStudioConnection,
    project: Project,
    found: Sequence[Pushable],
) -> list[int]:
    """Return the gold to push along: each item draws with probability `gold_fraction`."""
    fraction = annotation_from_json(project.annotation).gold_fraction
    n_wanted = sum(
        share_of(project.seed, "gold there", connection.id, one.batch_item_id) < fraction
        for one in found
    )
    return queries.gold_to_push(session, connection, n_wanted)


def hold(session: Session, connection: LabelStudioConnection, settings: Settings) -> None:
    """Lease and renew what live tasks hold; expects the project's lock."""
    leases.ensure_holders(session, connection)
    leases.hold(session, connection, settings.label_studio_lease_days)


def renew(session: Session, connection: LabelStudioConnection, settings: Settings) -> None:
    """Renew the leases of live tasks."""
    project = projects.lock(session, connection.project_id)
    if project.state in LABEL_ACCEPTING_PROJECT_STATES:
        release_expired(session, project, settings)
        hold(session, connection, settings)


def begin_deleting(session: Session, connection: LabelStudioConnection) -> list[UnwantedTask]:
    """Mark the tasks that are wanted no more and return them."""
    return queries.begin_deleting(
        session,
        connection,
        leases.prefix_of(connection),
        keeps_reserve=connection.round_end == RoundEnd.KEEP,
    )


def still_unwanted(
    session: Session, connection: LabelStudioConnection, unwanted: Sequence[UnwantedTask]
) -> list[UnwantedTask]:
    """Return those that nobody has annotated since they were marked; the others stay."""
    rows = queries.of_task_ids(session, connection.id, [task.task_id for task in unwanted])
    # Without those that were deleted meanwhile: their ids may be another task's.
    unwanted = [t for t in unwanted if t.task_id in rows and rows[t.task_id].id == t.row]
    kept = [task for task in unwanted if rows[task.task_id].was_annotated and not task.is_erased]
    queries.keep_live(session, [task.row for task in kept])
    return [task for task in unwanted if task not in kept]


def note_gone(
    session: Session, connection: LabelStudioConnection, rows: Sequence[int], settings: Settings
) -> None:
    """Note that these tasks were deleted there; their items are free, their labels stay."""
    if not rows:
        return
    project = projects.lock(session, connection.project_id)
    queries.note_gone(session, rows)
    leases.release(session, connection, rows)
    if project.state in LABEL_ACCEPTING_PROJECT_STATES:
        after_freeing(session, project, settings)


def forget_tasks(session: Session, connection: LabelStudioConnection, settings: Settings) -> None:
    """Note that all tasks are gone, as when their project was deleted there."""
    project = projects.lock(session, connection.project_id, even_archived=True)
    queries.forget(session, connection.id)
    leases.release(session, connection, None)
    if project.state in LABEL_ACCEPTING_PROJECT_STATES:
        after_freeing(session, project, settings)


def data_of(
    task: PushedTask, project_uid: UUID, config: LabelingConfig, image_url: str | None
) -> dict[str, Any]:
    """Return a task's data: its content and which item it is; nothing of its ranking."""
    content = task.text if image_url is None else image_url
    return {config.data_key: content, ITEM_KEY: key_of(project_uid, task.item_id)}


def key_of(project_uid: UUID, item_id: int) -> str:
    """Return the name of an item that no other service shares."""
    return f"{project_uid.hex[:8]}:{item_id}"


def see_tasks(
    session: Session,
    connection: LabelStudioConnection,
    config: LabelingConfig,
    tasks: Sequence[TaskThere],
) -> None:
    """Note the annotations of tasks as they are now; what changed waits to be applied.

    Tasks of ours that are not known by their ids yet are taken on. Of a task that is in the
    listing without annotations, all that were seen before were deleted.
    """
    project = projects.get(session, connection.project_id)
    rows = adopt(session, connection, project, tasks)
    users = label_studio.known_users(session, connection.id)
    there = [a.id for task in tasks for a in task.annotations]
    known = {
        seen.annotation_id: seen
        for seen in annotation_queries.known(
            session, connection.id, [row.id for row in rows.values()], there
        )
    }
    changed, same = [], set()
    for task in tasks:
        row = rows.get(task.id)
        for annotation in task.annotations if row else ():
            assert row is not None  # noqa: S101 - else there is none
            found = _seen(row.id, annotation, users, config)
            before = known.get(annotation.id)
            if before is not None and _is_same(before, found):
                same.add(before.id)
                if before.updated_at >= annotation.updated_at:
                    continue
            changed.append(found)
    # Before the new ones are seen: they may have the ids of deleted ones.
    gone = [seen for seen in known.values() if seen.id not in same]
    with_task = queries.gone_among(session, [seen.task_row for seen in gone])
    annotation_queries.note_deleted(session, [s.id for s in gone if s.task_row not in with_task])
    annotation_queries.let_be(session, [s.id for s in gone if s.task_row in with_task])
    annotation_queries.see(session, connection.id, changed)
    annotation_queries.note_annotated(session, sorted({seen["task_row"] for seen in changed}))


def _is_same(before: LabelStudioAnnotation, found: Mapping[str, Any]) -> bool:
    """Return whether it is the same annotation, not a new one that got its id."""
    return (before.task_row, before.annotator_id) == (found["task_row"], found["annotator_id"])


def _seen(
    row: int, annotation: AnnotationThere, users: Mapping[int, int], config: LabelingConfig
) -> dict[str, Any]:
    try:
        answer = config.answer_of(annotation.result)
    except ValueError:
        answer = None  # several choices, where the config takes one
    return {
        "annotation_id": annotation.id,
        "task_row": row,
        "annotator_id": users[annotation.user_id or 0],
        "updated_at": annotation.updated_at,
        "answer": answer,
        "seconds": annotation.seconds,
        "is_skip": annotation.is_skip,
        "is_deleted": False,
    }


def unknown_users(session: Session, connection_id: int, tasks: Iterable[TaskThere]) -> list[int]:
    """Return users there whose annotators are not known yet; 0: nobody, of imported annotations."""
    known = label_studio.known_users(session, connection_id)
    found = {a.user_id or 0 for task in tasks for a in task.annotations}
    return sorted(found - set(known))


def meet_users(
    session: Session, connection_id: int, users: Sequence[int], emails: Mapping[int, str]
) -> None:
    """Note who these users are here: annotators called by their e-mail, created if need be."""
    found = {}
    for user in users:
        try:
            name = normalised(emails.get(user, ""))
        except InvalidName:
            name = f"Label Studio user {user}" if user else "Label Studio import"
        found[user] = tokens.annotator_id(session, name)
    label_studio.note_users(session, connection_id, found)


def adopt(
    session: Session,
    connection: LabelStudioConnection,
    project: Project,
    tasks: Sequence[TaskThere],
) -> dict[int, LabelStudioTask]:
    """Return task id -> row, of the listed tasks that show items of ours.

    One that was created without our hearing of it gets its id noted: the answer was lost, or the
    project was connected before. A second task of an item is a duplicate. Over SQLite, Label Studio
    gives the ids of deleted tasks again.
    """
    rows = queries.of_task_ids(session, connection.id, [task.id for task in tasks])
    # Deleted, and their ids given to other tasks.
    gone = [task for task in tasks if _shows_another(project, task, rows.get(task.id))]
    gone_rows = [rows.pop(task.id).id for task in gone]
    queries.note_gone(session, gone_rows)
    leases.release(session, connection, gone_rows)
    items = {
        task.id: item_id
        for task in tasks
        if task.id not in rows and (item_id := _item_of(project.uid, task)) is not None
    }
    session.flush()
    if not items:
        return rows
    places = queries.places_of(session, project.id, list(items.values()))
    known = queries.of_items(session, connection.id, list(items.values()))
    for task_id, item_id in items.items():
        if item_id not in places:
            continue
        row = known.get(item_id)
        if row is not None and row.task_id is None:
            row.task_id, row.state = task_id, TaskState.LIVE
        else:
            row = LabelStudioTask(
                connection_id=connection.id,
                item_id=item_id,
                batch_item_id=places[item_id],
                task_id=task_id,
                state=TaskState.DUPLICATE if row else TaskState.LIVE,
            )
            session.add(row)
            if row.state == TaskState.LIVE:
                known[item_id] = row
        rows[task_id] = row
    session.flush()
    return rows


def _shows_another(project: Project, task: TaskThere, row: LabelStudioTask | None) -> bool:
    return row is not None and _item_of(project.uid, task) != row.item_id


def _item_of(project_uid: UUID, task: TaskThere) -> int | None:
    """Return the item that a task shows; None: it is none of this project's."""
    uid, _, number = str(task.data.get(ITEM_KEY, "")).partition(":")
    is_ours = uid == project_uid.hex[:8] and number.isascii() and number.isdecimal()
    return int(number) if is_ours and len(number) < 19 else None
