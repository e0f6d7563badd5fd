"""Four annotators on one project, who use the services."""

from typing import Any

from sqlalchemy import text

from app.config import Settings
from app.db.session import transaction
from app.db.tables import SkipReason
from app.services.annotation import change_annotation
from app.services.annotators import pause_annotator
from app.services.labels import LabelEntry, submit_labels, withdraw_labels
from app.services.leases import next_batch
from app.services.requeue import reassign_items, requeue_items
from app.services.skips import submit_skips
from tests.loop import Factory, annotator, start_labeling

ADA, BOB, EVE, IVY = range(4)


class Team:
    """Four annotators on a project; what they do returns the outcomes' codes or statuses."""

    def __init__(self, factory: Factory, settings: Settings) -> None:
        self.factory, self.settings = factory, settings
        self.ids = [annotator(factory, name) for name in ("ada", "bob", "eve", "ivy")]
        self.project = 0

    def start(self, **given: Any) -> None:
        self.project = start_labeling(self.factory, self.settings, "p", **given)

    def start_one_item(self, **annotation: Any) -> None:
        """Begin a round of one item that wants two labels."""
        budgets = {"initial_budget": 1, "round_budget": 1, "reserve": 0}
        self.start(labels_per_item=2, annotation=annotation, **budgets)

    def poll(self, who: int, size: int = 10) -> list[int]:
        with transaction(self.factory) as session:
            batch = next_batch(session, self.project, self.ids[who], size, self.settings)
            return [leased.item.id for leased in batch.items]

    def label(self, who: int, items: list[int], name: str = "a") -> list[str]:
        entries = [LabelEntry(item, name) for item in items]
        return self._do(submit_labels, self.ids[who], entries)

    def undo(self, who: int, items: list[int]) -> list[str]:
        return self._do(withdraw_labels, self.ids[who], items)

    def skip(self, who: int, items: list[int]) -> list[str]:
        with transaction(self.factory) as session:
            reason, ids = SkipReason.OTHER, (self.project, self.ids[who])
            outcomes = submit_skips(session, *ids, items, reason, self.settings)
        return [outcome.code or outcome.status for outcome in outcomes]

    def requeue(self, items: list[int]) -> list[str]:
        return self._do(requeue_items, items)

    def reassign(self, items: list[int], name: str) -> list[str]:
        return self._do(reassign_items, items, name)

    def pause(self, name: str) -> None:
        with transaction(self.factory) as session:
            pause_annotator(session, self.project, name, "x.", self.settings)

    def change(self, **changes: Any) -> None:
        with transaction(self.factory) as session:
            change_annotation(session, self.project, changes, None, self.settings)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with transaction(self.factory) as session:
            return [tuple(row) for row in session.execute(text(statement))]

    def round_states(self) -> list[str]:
        return [state for (state,) in self.rows("SELECT state FROM rounds ORDER BY number")]

    def _do(self, use: Any, *arguments: Any) -> list[str]:
        with transaction(self.factory) as session:
            outcomes = use(session, self.project, *arguments, self.settings)
        return [outcome.code or outcome.status for outcome in outcomes]
