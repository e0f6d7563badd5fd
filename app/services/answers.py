"""What the use cases of labels, skips and undo share: reading what a request is about, once.

One request is one transaction under the project's lock; its valid entries commit, the refused are
listed. Holds the only code that writes resolved labels of annotators.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import func
from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import batches, labels, models, projects
from app.db.tables import (
    BatchItem,
    BatchItemSlot,
    Item,
    Label,
    LabelSource,
    Project,
    ResolvedLabel,
    Round,
)
from app.domain.consensus import resolve
from app.domain.errors import ProjectNotAccepting
from app.domain.states import LABEL_ACCEPTING_PROJECT_STATES, BatchItemState, check_transition
from app.services.leasing import release_expired

Entry = TypeVar("Entry")


class AnswerStatus(StrEnum):
    """What became of one entry of a request."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    REVISED = "revised"
    SKIPPED = "skipped"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"


@dataclass(frozen=True)
class Outcome:
    """What became of one entry; `code` and `detail` say why it was refused."""

    item_id: int
    status: AnswerStatus
    code: str | None = None
    detail: str | None = None


class Refused(Exception):
    """One entry cannot be taken; the others of the request can."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass
class Answers:
    """What one request needs of the database, read once and kept up to date while it is served.

    Attributes:
        items: pool items of the request, by id.
        live: each item's batch item that is not withdrawn, and the round that ranked it.
        slots: by batch item.
        given: labels that stand, by item, in order of giving.
        resolved: resolved labels, by item.
    """

    session: Session
    project: Project
    annotator_id: int
    settings: Settings
    items: dict[int, Item]
    live: dict[int, tuple[BatchItem, Round]]
    slots: dict[int, list[BatchItemSlot]]
    given: dict[int, list[Label]]
    resolved: dict[int, ResolvedLabel]

    def take(
        self,
        entries: Iterable[Entry],
        item_of: Callable[[Entry], int],
        take_one: Callable[[Entry], AnswerStatus],
    ) -> list[Outcome]:
        """Return one outcome per entry, in order."""
        outcomes = []
        for entry in entries:
            item_id = item_of(entry)
            try:
                self._require_item(item_id)
                outcomes.append(Outcome(item_id, take_one(entry)))
            except Refused as refusal:
                outcomes.append(
                    Outcome(item_id, AnswerStatus.REFUSED, refusal.code, refusal.detail)
                )
        return outcomes

    def own_label(self, item_id: int) -> Label | None:
        """Return the annotator's label of the item that stands."""
        labels_ = self.given.setdefault(item_id, [])
        return next((x for x in labels_ if x.annotator_id == self.annotator_id), None)

    def require_open(self, item_id: int) -> tuple[BatchItem, Round]:
        """Return the item's open batch item and its round.

        Raises:
            Refused: the item wants no answer; the code says why.
        """
        if item_id not in self.live:
            if item_id in self.resolved:
                raise Refused("already_labeled", f"Item {item_id} was imported with its label.")
            raise Refused(
                "not_in_batch",
                f"Item {item_id} is in no open batch; label the items that next-batch hands out.",
            )
        batch_item, round_ = self.live[item_id]
        if batch_item.state == BatchItemState.LABELED:
            raise Refused("already_labeled", f"Item {item_id} has all the labels it needs.")
        if batch_item.state == BatchItemState.SKIPPED:
            raise Refused("already_skipped", f"Item {item_id} was skipped and left its batch.")
        return batch_item, round_

    def resolve(self, item_id: int) -> None:
        """Make the resolved label what the item's labels now give, or take it away.

        Models trained on the old answer become stale.
        """
        answers = [label.class_index for label in self.given[item_id]]
        class_index = resolve(answers, self.project.labels_per_item)
        resolved = self.resolved.get(item_id)
        if class_index is None:
            if resolved is not None:
                self._forget_resolved(resolved)
        elif resolved is None:
            self._insert_resolved(item_id, class_index)
        elif class_index != resolved.class_index:
            self._mark_stale(resolved)
            resolved.class_index = class_index
            resolved.label_version = self._next_version()

    def _require_item(self, item_id: int) -> None:
        if item_id not in self.items:
            raise Refused("unknown_item", f"Project {self.project.id} has no pool item {item_id}.")

    def _insert_resolved(self, item_id: int, class_index: int) -> None:
        batch_item, round_ = self.live[item_id]
        resolved = ResolvedLabel(
            item_id=item_id,
            project_id=self.project.id,
            class_index=class_index,
            source=LabelSource.ANNOTATOR,
            round_number=round_.number,
            label_version=self._next_version(),
        )
        self.session.add(resolved)
        self.resolved[item_id] = resolved
        set_item_state(batch_item, BatchItemState.LABELED)
        self.project.n_labeled += 1

    def _forget_resolved(self, resolved: ResolvedLabel) -> None:
        self._mark_stale(resolved)
        self._next_version()
        batch_item, _ = self.live[resolved.item_id]
        self.session.delete(self.resolved.pop(resolved.item_id))
        set_item_state(batch_item, BatchItemState.OPEN)
        self.project.n_labeled -= 1

    def _mark_stale(self, resolved: ResolvedLabel) -> None:
        models.mark_stale(self.session, self.project.id, resolved.label_version)

    def _next_version(self) -> int:
        self.project.label_version += 1
        return self.project.label_version


def open_answers(
    session: Session,
    project_id: int,
    annotator_id: int,
    item_ids: Sequence[int],
    settings: Settings,
) -> Answers:
    """Return what a request about these items needs, with the project locked.

    Raises:
        ProjectNotAccepting: the project takes no answers in its state.
    """
    project = projects.lock(session, project_id)
    if project.state not in LABEL_ACCEPTING_PROJECT_STATES:
        raise ProjectNotAccepting(
            f"Project {project_id} is {project.state} and takes labels only while "
            f"{' or '.join(sorted(LABEL_ACCEPTING_PROJECT_STATES))}."
        )
    release_expired(session, project, settings)
    live = batches.live_by_item(session, project_id, item_ids)
    return Answers(
        session=session,
        project=project,
        annotator_id=annotator_id,
        settings=settings,
        items=labels.items_of_project(session, project_id, item_ids),
        live=live,
        slots=batches.slots_by_batch_item(session, [b.id for b, _ in live.values()]),
        given=labels.labels_of_items(session, item_ids),
        resolved=labels.resolved_of_items(session, item_ids),
    )


def set_item_state(batch_item: BatchItem, new: BatchItemState) -> None:
    """Set the batch item's state.

    Raises:
        TransitionNotAllowed: the table does not allow it.
    """
    check_transition(f"Item {batch_item.item_id}", BatchItemState(batch_item.state), new)
    batch_item.state = new
    batch_item.resolved_at = None if new is BatchItemState.OPEN else func.now()
