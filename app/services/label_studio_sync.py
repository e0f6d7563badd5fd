"""One pass over a connection to Label Studio: pull, apply, delete, push.

Requests to Label Studio stand between transactions, never within one. Each step first writes what
it is about to do, so that a process that dies anywhere is followed by one that finishes it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import label_studio as queries
from app.db.queries import label_studio_annotations as annotation_queries
from app.db.queries import label_studio_tasks as task_queries
from app.db.queries import projects
from app.db.queries.label_studio_tasks import PushedTask
from app.db.session import transaction
from app.db.tables import LabelStudioConnection, Project
from app.domain.class_settings import offered_names
from app.domain.errors import LabelStudioBusy, LabelStudioProjectGone
from app.integrations.label_studio.client import LabelStudio, ProjectThere
from app.integrations.label_studio.labeling_config import LabelingConfig, read_config
from app.services import label_studio_tasks as tasks
from app.services.label_studio_access import Open, opener
from app.services.label_studio_answers import apply
from app.services.label_studio_claims import claim, get_connection, let_go
from app.services.label_studio_payloads import image_until, image_urls, payload_of

Factory = sessionmaker[Session]
Entry = TypeVar("Entry")
APPLIED_AT_ONCE = 50
PUSHED_AT_ONCE = 100
DELETED_AT_ONCE = 100
RENEWED_AT_ONCE = 200
OVERLAP = timedelta(seconds=30)  # tasks that were saved before, but became visible later
LIST_EVERY = timedelta(minutes=10)


@dataclass
class Synced:
    """The outcome of a pass: how many answers were taken, tasks pushed, and tasks deleted."""

    n_answers: int = 0
    n_pushed: int = 0
    n_deleted: int = 0


def sync(  # noqa: PLR0913 - by name: where from
    factory: Factory,
    connection_id: int,
    settings: Settings,
    *,
    again: bool = False,
    patience_seconds: float = 0.0,
    open_: Open | None = None,
) -> Synced:
    """Synchronise a connection once.

    Args:
        factory: makes sessions.
        connection_id: which one.
        settings: of this machine.
        again: push items, too, whose task was deleted there.
        patience_seconds: how long to wait for another process that synchronises it.
        open_: opens Label Studio; by default where the connection may reach.

    Raises:
        LabelStudioBusy: another process synchronises it.
        LabelStudioNotConnected: there is no such connection.
        DomainError: it failed; the connection says why, and a later pass tries again.
    """
    holder = claim(factory, connection_id, patience_seconds)
    with transaction(factory) as session:
        connection = get_connection(session, connection_id)
        open_ = open_ or opener(settings, is_guarded=connection.is_guarded)
        client = open_(connection.url, queries.token_of(session, connection_id))
    one = _Pass(factory, connection_id, holder, client, settings, again=again)
    try:
        one.run()
    except BaseException as error:
        let_go(factory, connection_id, holder, error)
        raise
    finally:
        client.close()
    let_go(factory, connection_id, holder, None)
    return one.done


@dataclass
class _Pass:
    """One pass; `done` counts what it did."""

    factory: Factory
    connection_id: int
    holder: UUID
    client: LabelStudio
    settings: Settings
    again: bool
    done: Synced = field(default_factory=Synced)

    def run(self) -> None:
        """Do the whole pass."""
        with self._step() as (_, connection):
            project_there = connection.project_there
        try:
            there = self.client.project(project_there)
        except LabelStudioProjectGone:
            with self._step() as (session, connection):
                tasks.forget_tasks(session, connection, self.settings)
            raise
        with self._step() as (session, connection):
            config = _config(projects.get(session, connection.project_id), there)
        self._list_if_due(there)  # first: annotations that went with their task stay labels
        self._pull(there.id, config)
        self._apply(config)
        self._delete_unwanted(there.id, config)
        self._push(there, config)
        self._renew_images(config)

    @contextmanager
    def _step(self) -> Iterator[tuple[Session, LabelStudioConnection]]:
        """Yield a transaction of a pass that still is ours.

        Raises:
            LabelStudioBusy: another process has taken over, or the connection was removed.
        """
        with transaction(self.factory) as session:
            if not queries.keep(session, self.connection_id, self.holder):
                raise LabelStudioBusy("Another process has taken over, or the connection is gone.")
            yield session, get_connection(session, self.connection_id)

    def _pull(self, project_there: int, config: LabelingConfig) -> None:
        """Note what changed there since the last pass."""
        with self._step() as (_, connection):
            since = connection.read_until
        if since is not None:
            since -= OVERLAP
        for page in self.client.changed_tasks(project_there, since):
            with self._step() as (session, _):
                unknown = tasks.unknown_users(session, self.connection_id, page)
            emails = self.client.emails() if unknown else {}
            with self._step() as (session, connection):
                tasks.meet_users(session, self.connection_id, unknown, emails)
                tasks.see_tasks(session, connection, config, page)
                connection.read_until = page[-1].updated_at

    def _list_if_due(self, there: ProjectThere) -> None:
        """Compare all ids now and then, and whenever their number is not as expected."""
        with self._step() as (session, connection):
            known = task_queries.live_ids(session, self.connection_id)
            listed_at = connection.listed_at
            is_due = (
                listed_at is None
                or listed_at < datetime.now(UTC) - LIST_EVERY
                or there.n_tasks != len(known) + connection.n_foreign
                or task_queries.any_to_push(session, self.connection_id)
            )
        if is_due:
            self._compare_ids(there.id)

    def _compare_ids(self, project_there: int) -> None:
        """Note which tasks are gone, and take on those of ours whose ids were not known."""
        found: set[int] = set()
        n_ours = 0
        for page in self.client.all_tasks(project_there):
            found.update(task.id for task in page)
            with self._step() as (session, connection):
                project = projects.get(session, connection.project_id)
                n_ours += len(tasks.adopt(session, connection, project, page))
        with self._step() as (session, connection):
            known = task_queries.live_ids(session, self.connection_id)
            gone = [row for task_id, row in known.items() if task_id not in found]
            tasks.note_gone(session, connection, gone, self.settings)
            connection.n_foreign = len(found) - n_ours
            connection.listed_at = func.clock_timestamp()

    def _apply(self, config: LabelingConfig) -> None:
        """Apply what waits, some items at a time."""
        with self._step() as (session, _):
            waiting = annotation_queries.pending_items(session, self.connection_id)
        for part in _parts(waiting, APPLIED_AT_ONCE):
            with self._step() as (session, connection):
                self.done.n_answers += apply(session, connection, config, part, self.settings)

    def _delete_unwanted(self, project_there: int, config: LabelingConfig) -> None:
        """Delete tasks there that are wanted no more and that nobody has annotated."""
        with self._step() as (session, connection):
            tasks.renew(session, connection, self.settings)
            unwanted = tasks.begin_deleting(session, connection)
        if not unwanted:
            return
        self._pull(project_there, config)  # somebody may have annotated one meanwhile
        with self._step() as (session, connection):
            unwanted = tasks.still_unwanted(session, connection, unwanted)
        for part in _parts(unwanted, DELETED_AT_ONCE):
            self.client.delete_tasks(project_there, [task.task_id for task in part])
            with self._step() as (session, connection):
                rows = [task.row for task in part]
                tasks.note_gone(session, connection, rows, self.settings)
            self.done.n_deleted += len(part)
        self._apply(config)

    def _push(self, there: ProjectThere, config: LabelingConfig) -> None:
        """Push what the open batch holds, in its order."""
        model_version: str | None = there.model_version
        while True:
            with self._step() as (session, connection):
                found = task_queries.to_push(session, self.connection_id, PUSHED_AT_ONCE)
                if not found:
                    if not tasks.choose_tasks(session, connection, self.settings, again=self.again):
                        return
                    continue
                payload = payload_of(session, connection, config, found, self.settings)
            created = self.client.import_tasks(there.id, payload.tasks)
            if created is None:
                return  # it creates them later; the next pass finds them
            with self._step() as (session, _):
                ids = dict(zip((task.row for task in found), created, strict=True))
                task_queries.note_created(session, self.connection_id, ids, payload.image_until)
            self.done.n_pushed += len(found)
            if payload.model_version not in (None, model_version):
                model_version = payload.model_version
                self.client.change_project(there.id, model_version=model_version)

    def _renew_images(self, config: LabelingConfig) -> None:
        """Give live tasks new image addresses before the old ones expire."""
        within = timedelta(days=self.settings.label_studio_image_days) / 2
        with self._step() as (session, connection):
            project = projects.get(session, connection.project_id)
            urls = image_urls(session, connection, project, self.settings)
            if urls is None:
                return
            due = task_queries.images_to_renew(session, self.connection_id, within, RENEWED_AT_ONCE)
        for row, task_id, item_id in due:
            task = PushedTask(row, item_id, None, None, None)
            data = tasks.data_of(task, project.uid, config, urls.of(project.id, item_id))
            self.client.change_task(task_id, data)
            with self._step() as (session, _):
                task_queries.note_image(session, row, image_until(self.settings))


def _config(project: Project, there: ProjectThere) -> LabelingConfig:
    """Return the config there, checked against the project's classes."""
    names = offered_names(project.classes, project.class_settings)
    return read_config(there.label_config, project.modality, names)


def _parts(entries: Sequence[Entry], size: int) -> Iterator[Sequence[Entry]]:
    for start in range(0, len(entries), size):
        yield entries[start : start + size]
