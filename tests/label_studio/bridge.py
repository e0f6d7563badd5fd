"""A project of ours that is connected with a fake Label Studio."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import label_studio as queries
from app.db.session import transaction
from app.integrations.label_studio.client import LabelStudio
from app.integrations.label_studio.transport import Transport
from app.services.label_studio import ConnectionIn, connect
from app.services.label_studio_sync import Synced, sync
from tests.label_studio.fake import LEGACY, Fake


def open_at_once(url: str, token: str) -> LabelStudio:
    """Open a Label Studio whose retries do not wait."""
    return LabelStudio(Transport(url, token, sleep=lambda _: None))


@dataclass
class Bridge:
    """A connected project, seen from both sides."""

    factory: sessionmaker[Session]
    settings: Settings
    fake: Fake
    project: int

    def connect(self, **given: Any) -> int:
        """Connect; return the connection."""
        wanted = ConnectionIn(**{"url": self.fake.url, "token": LEGACY, **given})
        made = connect(self.factory, self.project, wanted, self.settings, open_at_once)
        return made.connection.id

    @property
    def connection(self) -> Any:
        """The connection's row."""
        with transaction(self.factory) as session:
            return queries.of_project(session, self.project)

    def sync(self, **given: Any) -> Synced:
        """Synchronise once."""
        return sync(self.factory, self.connection.id, self.settings, open_=open_at_once, **given)

    def ask(self, query: str, **given: Any) -> list[Any]:
        """Return the rows of a statement; `:project` is ours."""
        with transaction(self.factory) as session:
            return list(session.execute(text(query), {"project": self.project, **given}).all())

    def run(self, statement: str, **given: Any) -> None:
        """Execute a statement."""
        with transaction(self.factory) as session:
            session.execute(text(statement), {"project": self.project, **given})

    def task(self, index: int) -> int:
        """Return the live task of a pool item."""
        ((task,),) = self.ask(
            "SELECT task_id FROM label_studio_tasks t JOIN items i ON i.id = t.item_id "
            "WHERE i.project_id = :project AND i.index = :index AND i.split = 'pool' "
            "AND t.state = 'live'",
            index=index,
        )
        return int(task)

    def shown(self) -> list[int]:
        """Return the pool indices of the tasks there, in their order."""
        indices = dict(self.ask("SELECT id, index FROM items WHERE project_id = :project"))
        keys = [self.fake.tasks[t]["data"]["svp_item"] for t in self.fake.open_tasks()]
        return [indices[int(key.split(":")[1])] for key in keys]

    def labels(self) -> dict[int, dict[str, str]]:
        """Return pool index -> annotator -> class, of standing labels."""
        rows = self.ask(
            "SELECT i.index, a.name, p.classes[l.class_index + 1] FROM labels l "
            "JOIN items i ON i.id = l.item_id JOIN annotators a ON a.id = l.annotator_id "
            "JOIN projects p ON p.id = l.project_id "
            "WHERE l.project_id = :project AND l.withdrawn_at IS NULL ORDER BY l.id"
        )
        found: dict[int, dict[str, str]] = {}
        for index, name, class_name in rows:
            found.setdefault(index, {})[name.split("@")[0]] = class_name
        return found

    def states(self) -> dict[int, str]:
        """Return pool index -> state, of batch items that are not withdrawn."""
        rows = self.ask(
            "SELECT i.index, b.state FROM batch_items b JOIN items i ON i.id = b.item_id "
            "WHERE b.project_id = :project AND b.state <> 'withdrawn'"
        )
        return {index: state for index, state in rows}  # noqa: C416 - types

    def resolved(self) -> dict[int, str]:
        """Return pool index -> resolved class."""
        rows = self.ask(
            "SELECT i.index, p.classes[r.class_index + 1] FROM resolved_labels r "
            "JOIN items i ON i.id = r.item_id JOIN projects p ON p.id = r.project_id "
            "WHERE r.project_id = :project AND r.source = 'annotator'"
        )
        return {index: name for index, name in rows}  # noqa: C416 - types

    def held(self) -> dict[int, float]:
        """Return pool index -> days that its task holds it for, of leased open items."""
        rows = self.ask(
            "SELECT i.index, extract(epoch FROM s.leased_until - now()) / 86400 "
            "FROM batch_item_slots s JOIN batch_items b ON b.id = s.batch_item_id "
            "JOIN items i ON i.id = b.item_id JOIN annotators a ON a.id = s.leased_by "
            "WHERE s.project_id = :project AND NOT s.filled AND b.state = 'open' "
            "AND a.name LIKE 'Label Studio %'"
        )
        return {index: float(days) for index, days in rows}

    def codes(self) -> list[tuple[str | None, bool]]:
        """Return (code, whether it waits) of every annotation seen, by id."""
        rows = self.ask("SELECT code, is_pending FROM label_studio_annotations ORDER BY id")
        return [(code, pending) for code, pending in rows]

    def round_number(self) -> int:
        """Return the newest round."""
        ((number,),) = self.ask("SELECT max(number) FROM rounds WHERE project_id = :project")
        return int(number)
