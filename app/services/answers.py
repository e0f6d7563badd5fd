"""Reads everything that a request of labels, skips or undo needs, once.

One request is one transaction under the project's lock. Valid entries commit; refused entries are
listed. An item's label is decided in app.services.consensus.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TypeVar

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import annotators, gold, models, projects, set_aside, tokens
from app.db.queries.answers import AnswerState, BatchItemRow, LabelRow, RoundFacts
from app.db.tables import GoldAnswer, GoldItem, Project
from app.domain.annotation import AnnotationOptions, annotation_from_json
from app.domain.errors import ProjectNotAccepting
from app.domain.states import LABEL_ACCEPTING_PROJECT_STATES, BatchItemState, check_transition
from app.services.gold_mixing import hides_ranking
from app.services.leases import release_expired, require_active

Entry = TypeVar("Entry")
NOBODY = 0  # no annotator has this id
ITEMS_AT_ONCE = 10_000  # a statement takes 65,535 parameters


class AnswerStatus(StrEnum):
    """The outcome of one entry of a request."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    REVISED = "revised"
    SKIPPED = "skipped"
    WITHDRAWN = "withdrawn"
    REQUEUED = "requeued"
    REASSIGNED = "reassigned"
    FLAGGED = "flagged"
    REFUSED = "refused"


@dataclass(frozen=True)
class Outcome:
    """The outcome of one entry; `code` and `detail` say why it was refused."""

    item_id: int
    status: AnswerStatus
    code: str | None = None
    detail: str | None = None


class Refused(Exception):
    """One entry cannot be taken; the other entries of the request are not affected."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass
class Answers:
    """Everything one request needs from the database, read once and then kept current.

    Attributes:
        state: the items with their batch items, slots and labels, as the request changes them.
        gold: of these items, those that the annotator was handed as gold, with the answer.
        adjudicators: ids of those who may decide where labels do not agree.
        replaced_versions: label versions of answers that changed since the last `write`; models
            that learned them become stale.
    """

    session: Session
    project: Project
    annotator_id: int
    settings: Settings
    state: AnswerState
    gold: dict[int, tuple[GoldAnswer, GoldItem]]
    adjudicators: frozenset[int]
    replaced_versions: list[int] = field(default_factory=list)

    def write(self) -> None:
        """Write what the entries so far have changed."""
        self.session.flush()
        self.state.write()
        if self.replaced_versions:
            models.mark_stale(self.session, self.project.id, min(self.replaced_versions))
            self.replaced_versions.clear()

    @property
    def now(self) -> datetime:
        """The transaction's instant by the database's clock."""
        return self.state.now

    @property
    def is_adjudicator(self) -> bool:
        """Whether the annotator may decide where labels do not agree."""
        return self.annotator_id in self.adjudicators

    @cached_property
    def options(self) -> AnnotationOptions:
        """The project's annotation settings."""
        return annotation_from_json(self.project.annotation)

    @cached_property
    def hides_ranking(self) -> bool:
        """Whether annotators must not learn which items have their label."""
        return hides_ranking(self.session, self.project)

    def take(
        self,
        entries: Iterable[Entry],
        item_of: Callable[[Entry], int],
        take_one: Callable[[Entry], AnswerStatus],
        take_gold: Callable[[Entry], AnswerStatus] | None = None,
    ) -> list[Outcome]:
        """Return one outcome per entry, in order; `take_gold` takes answers to gold."""
        outcomes = []
        for entry in entries:
            item_id = item_of(entry)
            try:
                self._require_item(item_id)
                take_it = take_gold if take_gold and item_id in self.gold else take_one
                outcomes.append(Outcome(item_id, take_it(entry)))
            except Refused as refusal:
                outcomes.append(
                    Outcome(item_id, AnswerStatus.REFUSED, refusal.code, refusal.detail)
                )
        return outcomes

    def own_label(self, item_id: int) -> LabelRow | None:
        """Return the annotator's label of the item that stands."""
        given = self.state.given[item_id]
        return next((x for x in given if x.annotator_id == self.annotator_id), None)

    def require_open(self, item_id: int) -> tuple[BatchItemRow, RoundFacts]:
        """Return the item's open batch item and its round.

        Raises:
            Refused: the item wants no answer; the code says why.
        """
        batch_item, round_ = self.state.live.get(item_id, (None, None))
        if batch_item is None or round_ is None or batch_item.state != BatchItemState.OPEN:
            raise self._why_not_open(item_id, batch_item)
        return batch_item, round_

    def _why_not_open(self, item_id: int, batch_item: BatchItemRow | None) -> Refused:
        """Return why the item wants no answer.

        Where there is gold, nobody is told whether an item that they did not label has its label:
        it would be gold if they were handed it later.
        """
        own = self.own_label(item_id)
        if own is not None:
            return Refused("already_labeled", f"Item {item_id} has all the labels it needs.")
        is_skipped = batch_item is not None and batch_item.state == BatchItemState.SKIPPED
        if is_skipped and batch_item is not None and batch_item.skipped_by == self.annotator_id:
            return Refused("already_skipped", f"Item {item_id} was skipped and left its batch.")
        is_open_to_tell = self.annotator_id == NOBODY or not self.hides_ranking
        if is_open_to_tell and is_skipped:
            return Refused("already_skipped", f"Item {item_id} was skipped and left its batch.")
        if is_open_to_tell and batch_item is not None:
            return Refused("already_labeled", f"Item {item_id} has all the labels it needs.")
        if is_open_to_tell and item_id in self.state.resolved:
            return Refused("already_labeled", f"Item {item_id} was imported with its label.")
        return _not_in_batch(item_id)

    @cached_property
    def gold_set_aside(self) -> set[int]:
        """The gold items that cannot be read."""
        found = set_aside.of_items(self.session, self.project.id, list(self.gold))
        return {item.id for item in found}

    def require_readable_gold(self, item_id: int) -> None:
        """Check that gold is not set aside; an item of a batch would have left it.

        Raises:
            Refused: it is.
        """
        if item_id in self.gold_set_aside:
            raise _not_in_batch(item_id)

    def _require_item(self, item_id: int) -> None:
        if item_id not in self.state.items:
            raise Refused("unknown_item", f"Project {self.project.id} has no pool item {item_id}.")


def _not_in_batch(item_id: int) -> Refused:
    return Refused(
        "not_in_batch",
        f"Item {item_id} is in no open batch; label the items that next-batch hands out.",
    )


def open_answers(
    session: Session,
    project_id: int,
    annotator_id: int,
    item_ids: Sequence[int],
    settings: Settings,
) -> Answers:
    """Return what an annotator's request about these items needs, with the project locked.

    Raises:
        ProjectNotAccepting: the project takes no answers in its state.
        AnnotatorPaused: this annotator is paused.
    """
    project = lock_accepting(session, project_id, settings)
    paused = annotators.paused(session, project_id)
    require_active(project, annotator_id, paused)
    return read_answers(session, project, annotator_id, item_ids, settings, paused)


def lock_accepting(session: Session, project_id: int, settings: Settings) -> Project:
    """Return the project, locked, with expired leases freed.

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
    return project


def read_answers(  # noqa: PLR0913, PLR0917 - session and settings beside its own
    session: Session,
    project: Project,
    annotator_id: int,
    item_ids: Sequence[int],
    settings: Settings,
    paused: Collection[int],
) -> Answers:
    """Return what a request about these items needs of the locked project.

    Args:
        session: in a transaction that holds the project's lock.
        project: of the items.
        annotator_id: who answers; NOBODY where an admin acts on the items.
        item_ids: what the request is about.
        settings: of this machine.
        paused: ids of annotators whom the project hands nothing; they adjudicate nothing either.
    """
    names = annotation_from_json(project.annotation).adjudicators
    state = AnswerState(session, project.id, annotator_id, item_ids)
    adjudicators = frozenset(tokens.ids_by_name(session, names).values()) if names else frozenset()
    return Answers(
        session=session,
        project=project,
        annotator_id=annotator_id,
        settings=settings,
        state=state,
        gold=gold.answers_of(session, annotator_id, list(state.gold)),
        adjudicators=adjudicators - set(paused),
    )


def set_item_state(batch_item: BatchItemRow, new: BatchItemState, now: datetime) -> None:
    """Set the batch item's state, at this instant.

    Raises:
        TransitionNotAllowed: the table does not allow it.
    """
    check_transition(f"Item {batch_item.item_id}", BatchItemState(batch_item.state), new)
    batch_item.state = new
    batch_item.resolved_at = None if new is BatchItemState.OPEN else now
