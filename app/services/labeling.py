"""Taking labels and skips: idempotent, revised with history, refused with a code.

One request is one transaction under the project's lock; its valid labels commit, the refused are
listed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import func
from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import batches, events, labels, projects, rounds
from app.db.tables import (
    BatchItem,
    BatchItemSlot,
    BatchSource,
    Item,
    Label,
    LabelSource,
    Project,
    ResolvedLabel,
    Round,
)
from app.domain.consensus import resolve
from app.domain.errors import ProjectNotAccepting
from app.domain.states import (
    LABEL_ACCEPTING_PROJECT_STATES,
    BatchItemState,
    check_transition,
)
from app.services.leasing import release_expired
from app.services.rounds import advance, budget_state


class LabelStatus(StrEnum):
    """What became of one label of a request."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    REVISED = "revised"
    REFUSED = "refused"


class SkipStatus(StrEnum):
    """What became of one skip of a request."""

    SKIPPED = "skipped"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True)
class LabelEntry:
    """One label handed in; `class_name` is not yet checked."""

    item_id: int
    class_name: str
    seconds: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one entry; `code` and `detail` say why it was refused."""

    item_id: int
    status: LabelStatus | SkipStatus
    code: str | None = None
    detail: str | None = None


class Refused(Exception):
    """One entry cannot be taken; the others of the request can."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass
class _Work:
    """What one request needs of the database, read once and kept up to date while it is served."""

    session: Session
    project: Project
    annotator_id: int
    items: dict[int, Item]
    live: dict[int, tuple[BatchItem, Round]]
    slots: dict[int, list[BatchItemSlot]]
    given: dict[int, list[Label]]
    resolved: dict[int, ResolvedLabel]
    reserve_left: int | None = None
    revised_items: list[int] = field(default_factory=list)


def submit_labels(
    session: Session,
    project_id: int,
    annotator_id: int,
    entries: Sequence[LabelEntry],
    settings: Settings,
) -> list[Outcome]:
    """Take the annotator's labels; return one outcome per entry, in order.

    The last label of a round completes it and creates the next round and its job in the same
    transaction. Handing in again is `unchanged`, another class is `revised`.

    Raises:
        ProjectNotAccepting: the project takes no labels in its state.
    """
    work = _open_work(session, project_id, annotator_id, [e.item_id for e in entries], settings)
    outcomes = []
    for entry in entries:
        try:
            outcomes.append(Outcome(entry.item_id, _submit_one(work, entry)))
        except Refused as refusal:
            outcomes.append(
                Outcome(entry.item_id, LabelStatus.REFUSED, refusal.code, refusal.detail)
            )
    if work.revised_items:
        rounds.mark_models_stale(session, project_id, work.revised_items)
    advance(session, work.project, settings.job_max_attempts)
    return outcomes


def submit_skips(
    session: Session,
    project_id: int,
    annotator_id: int,
    item_ids: Sequence[int],
    reason: str,
    settings: Settings,
) -> list[Outcome]:
    """Take items out of their batch; return one outcome per item, in order.

    The next reserve item takes the place of a skipped batch item; without reserve the batch
    shrinks and the budget returns.

    Raises:
        ProjectNotAccepting: the project takes no answers in its state.
    """
    work = _open_work(session, project_id, annotator_id, item_ids, settings)
    outcomes = []
    for item_id in item_ids:
        try:
            outcomes.append(Outcome(item_id, _skip_one(work, item_id, reason)))
        except Refused as refusal:
            outcomes.append(Outcome(item_id, SkipStatus.REFUSED, refusal.code, refusal.detail))
    advance(session, work.project, settings.job_max_attempts)
    return outcomes


def _open_work(
    session: Session,
    project_id: int,
    annotator_id: int,
    item_ids: Sequence[int],
    settings: Settings,
) -> _Work:
    project = projects.lock(session, project_id)
    if project.state not in LABEL_ACCEPTING_PROJECT_STATES:
        raise ProjectNotAccepting(
            f"Project {project_id} is {project.state} and takes labels only while "
            f"{' or '.join(sorted(LABEL_ACCEPTING_PROJECT_STATES))}."
        )
    release_expired(session, project, settings)
    live = batches.live_by_item(session, project_id, item_ids)
    return _Work(
        session=session,
        project=project,
        annotator_id=annotator_id,
        items=labels.items_of_project(session, project_id, item_ids),
        live=live,
        slots=batches.slots_by_batch_item(session, [b.id for b, _ in live.values()]),
        given=labels.labels_of_items(session, item_ids),
        resolved=labels.resolved_of_items(session, item_ids),
    )


def _submit_one(work: _Work, entry: LabelEntry) -> LabelStatus:
    if entry.class_name not in work.project.classes:
        known = ", ".join(work.project.classes)
        raise Refused(
            "unknown_class", f"There is no class {entry.class_name!r}; use one of {known}."
        )
    _require_item(work, entry.item_id)
    class_index = work.project.classes.index(entry.class_name)
    given = work.given.setdefault(entry.item_id, [])
    own = next((label for label in given if label.annotator_id == work.annotator_id), None)
    if own is None:
        _create_label(work, entry, class_index)
        return LabelStatus.CREATED
    if own.class_index == class_index:
        return LabelStatus.UNCHANGED
    labels.keep_revision(work.session, own)
    own.class_index = class_index
    own.revised_at = func.now()
    if entry.item_id in work.resolved:
        _resolve(work, entry.item_id)
        work.revised_items.append(entry.item_id)
    return LabelStatus.REVISED


def _create_label(work: _Work, entry: LabelEntry, class_index: int) -> None:
    batch_item, round_ = _require_live(work, entry.item_id)
    slot = _slot_to_fill(work, batch_item)
    slot.leased_by = work.annotator_id
    slot.leased_until = None
    slot.filled = True
    label = Label(
        project_id=work.project.id,
        item_id=entry.item_id,
        annotator_id=work.annotator_id,
        batch_item_id=batch_item.id,
        class_index=class_index,
        seconds=entry.seconds,
        labels_behind=work.project.n_labeled + work.project.n_imported - (round_.n_labeled or 0),
    )
    work.session.add(label)
    work.given[entry.item_id].append(label)
    _resolve(work, entry.item_id)


def _require_item(work: _Work, item_id: int) -> None:
    if item_id not in work.items:
        raise Refused("unknown_item", f"Project {work.project.id} has no pool item {item_id}.")


def _require_live(work: _Work, item_id: int) -> tuple[BatchItem, Round]:
    """Return the item's open batch item and its round, or refuse with why there is none."""
    if item_id not in work.live:
        if item_id in work.resolved:
            raise Refused("already_labeled", f"Item {item_id} was imported with its label.")
        raise Refused(
            "not_in_batch",
            f"Item {item_id} is in no open batch; label the items that next-batch hands out.",
        )
    batch_item, round_ = work.live[item_id]
    if batch_item.state == BatchItemState.LABELED:
        raise Refused("already_labeled", f"Item {item_id} has all the labels it needs.")
    if batch_item.state == BatchItemState.SKIPPED:
        raise Refused("already_skipped", f"Item {item_id} was skipped and left its batch.")
    return batch_item, round_


def _slot_to_fill(work: _Work, batch_item: BatchItem) -> BatchItemSlot:
    """Return the annotator's slot, or a free one: an unleased item is taken as if leased."""
    slots = work.slots[batch_item.id]
    for slot in slots:
        if slot.leased_by == work.annotator_id and not slot.filled:
            return slot
    free = [slot for slot in slots if slot.leased_by is None]
    if not free:
        raise Refused(
            "leased_to_another",
            f"Item {batch_item.item_id} is leased to another annotator; ask next-batch for others.",
        )
    if batch_item.source == BatchSource.RESERVE and len(free) == len(slots):
        _spend_reserve(work, batch_item.item_id)
    return free[0]


def _spend_reserve(work: _Work, item_id: int) -> None:
    """Count one more reserve item against the total budget."""
    if work.reserve_left is None:
        work.session.flush()
        work.reserve_left = budget_state(work.session, work.project).left_for_reserve
    if work.reserve_left <= 0:
        raise Refused(
            "budget_spent", f"The total budget leaves no room for reserve item {item_id}."
        )
    work.reserve_left -= 1


def _resolve(work: _Work, item_id: int) -> None:
    """Write the item's resolved label if its labels now give one."""
    answers = [label.class_index for label in work.given[item_id]]
    class_index = resolve(answers, work.project.labels_per_item)
    if class_index is None:
        return
    resolved = work.resolved.get(item_id)
    if resolved is not None:
        resolved.class_index = class_index
        return
    batch_item, round_ = work.live[item_id]
    resolved = ResolvedLabel(
        item_id=item_id,
        project_id=work.project.id,
        class_index=class_index,
        source=LabelSource.ANNOTATOR,
        round_number=round_.number,
    )
    work.session.add(resolved)
    work.resolved[item_id] = resolved
    _set_state(batch_item, BatchItemState.LABELED)
    work.project.n_labeled += 1


def _skip_one(work: _Work, item_id: int, reason: str) -> SkipStatus:
    _require_item(work, item_id)
    if item_id in work.live and work.live[item_id][0].state == BatchItemState.SKIPPED:
        return SkipStatus.UNCHANGED
    batch_item, _ = _require_live(work, item_id)
    if not any(s.leased_by in (None, work.annotator_id) for s in work.slots[batch_item.id]):
        raise Refused("leased_to_another", f"Item {item_id} is leased to another annotator.")
    _set_state(batch_item, BatchItemState.SKIPPED)
    batch_item.skip_reason = reason
    batch_item.skipped_by = work.annotator_id
    work.project.n_skipped += 1
    work.session.flush()
    if batch_item.source == BatchSource.BATCH:
        batches.promote_reserve(work.session, batch_item.round_id, 1)
    events.append(
        work.session, work.project.id, "item.skipped", {"item": item_id, "reason": reason}
    )
    return SkipStatus.SKIPPED


def _set_state(batch_item: BatchItem, new: BatchItemState) -> None:
    check_transition(f"Item {batch_item.item_id}", BatchItemState(batch_item.state), new)
    batch_item.state = new
    batch_item.resolved_at = func.now()
