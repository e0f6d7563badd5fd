"""Decides an item's label from its annotators' answers.

While annotators work, `resolve_item` decides after each answer: a resolved label, one more
annotator, or an adjudicator. Before a training, `write_consensus` stores what the worker computed
over all labels of the project (workers.jobs.consensus).
"""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import annotators, batches, events, gold, models
from app.db.queries import consensus as queries
from app.db.queries.answers import BatchItemRow, ResolvedRow, SlotRow
from app.db.queries.consensus import Consensus
from app.db.tables import BatchSource, ConsensusSource, LabelSource, Project
from app.domain.annotation import labels_wanted
from app.domain.consensus import Decision, decide
from app.domain.states import BatchItemState, RoundState
from app.services.answers import ITEMS_AT_ONCE, NOBODY, Answers, read_answers, set_item_state

ROWS_AT_ONCE = 10_000


def write_consensus(
    session: Session,
    project: Project,
    method: ConsensusSource,
    found: Sequence[Consensus],
    version_read: int,
) -> int:
    """Store the consensus as a locked project's resolved labels; return how many changed class.

    Skips items that changed since the labels were read (a later label was decided by majority; the
    next round sees it) and adjudicated items. Models that learned another class become stale.

    Args:
        session: in a transaction that holds the project's lock.
        project: of the labels.
        method: that was used.
        found: consensus by pool index.
        version_read: the project's label version when the labels were read.
    """
    changed_versions = []
    next_version = project.label_version + 1
    for start in range(0, len(found), ROWS_AT_ONCE):
        part = {entry.index: entry for entry in found[start : start + ROWS_AT_ONCE]}
        stored = queries.resolved_by_index(session, project.id, list(part))
        for index, resolved in stored.items():
            if resolved.label_version > version_read:
                continue
            entry = part[index]
            resolved.method = method
            resolved.confidence = entry.confidence
            if resolved.class_index != entry.class_index:
                changed_versions.append(resolved.label_version)
                resolved.class_index = entry.class_index
                resolved.label_version = next_version
        session.flush()
    if changed_versions:
        project.label_version = next_version
        models.mark_stale(session, project.id, min(changed_versions))
    facts = {"method": method, "n_items": len(found), "n_changed": len(changed_versions)}
    events.append(session, project.id, "consensus.computed", facts)
    return len(changed_versions)


def resolve_open_items(
    session: Session, project: Project, settings: Settings, *, redraws: bool = False
) -> None:
    """Apply changed annotation settings or adjudicators to open items; expects the project's lock.

    Args:
        session: whose transaction this is.
        project: locked, with expired leases freed.
        settings: of this machine.
        redraws: draw again how many labels each item wants; if not, only items with a label are
            read.
    """
    item_ids = batches.open_item_ids(session, project.id, only_answered=not redraws)
    paused = annotators.paused(session, project.id)
    for start in range(0, len(item_ids), ITEMS_AT_ONCE):
        part = item_ids[start : start + ITEMS_AT_ONCE]
        answers = read_answers(session, project, NOBODY, part, settings, paused)
        for item_id in part:
            if redraws:
                batch_item, _ = answers.state.live[item_id]
                index = answers.state.items[item_id]
                batch_item.labels_wanted = labels_wanted(
                    answers.options, project.labels_per_item, project.seed, index
                )
            resolve_item(answers, item_id)
        answers.write()


def resolve_item(answers: Answers, item_id: int) -> None:
    """Update an item's slots and resolved label to match its labels.

    Models trained on an answer that changed become stale. A skipped item stays as it is. Labels of
    annotators who failed on gold are kept but do not count.
    """
    batch_item, _ = answers.state.live[item_id]
    if batch_item.state == BatchItemState.SKIPPED:
        return
    every = answers.state.given[item_id]
    given = [x for x in every if not x.is_excluded]
    adjudication = next((x for x in given if x.is_adjudication), None)
    options = answers.options
    decision = decide(
        [x.class_index for x in given if not x.is_adjudication],
        batch_item.labels_wanted,
        options.cap(batch_item.labels_wanted) + batch_item.is_requeued,  # a tie is settled
        options.min_agreement,
        may_adjudicate=bool(answers.adjudicators - {x.annotator_id for x in every}),
        adjudicated=adjudication.class_index if adjudication else None,
    )
    _fit_slots(answers, batch_item, decision)
    resolved = answers.state.resolved.get(item_id)
    if decision.class_index is None:
        if resolved is not None:
            _forget(answers, resolved)
        return
    if resolved is None:
        resolved = _insert(answers, item_id, decision.class_index)
    elif decision.class_index != resolved.class_index:
        answers.replaced_versions.append(resolved.label_version)
        resolved.class_index = decision.class_index
        resolved.label_version = _next_version(answers)
    resolved.method = ConsensusSource.ADJUDICATED if adjudication else ConsensusSource.MAJORITY
    resolved.agreement = decision.agreement
    resolved.confidence = None


def _fit_slots(answers: Answers, batch_item: BatchItemRow, decision: Decision) -> None:
    """Keep one empty slot per label still wanted; drop free slots first."""
    slots = answers.state.slots[batch_item.id]
    for for_adjudicator, n_wanted in (
        (False, decision.n_more),
        (True, int(decision.wants_adjudicator)),
    ):
        waiting = [s for s in slots if not s.filled and s.for_adjudicator == for_adjudicator]
        waiting.sort(key=lambda s: (s.leased_by is None, s.reserved_for is None, s.slot))
        for slot in waiting[n_wanted:]:
            slots.remove(slot)
        for slot in waiting[:n_wanted]:
            if for_adjudicator and slot.reserved_for not in answers.adjudicators:
                slot.reserved_for = None  # it was kept for a former adjudicator
        for _ in range(n_wanted - len(waiting)):
            slot = SlotRow(
                batch_item_id=batch_item.id,
                slot=max((s.slot for s in slots), default=0) + 1,
                project_id=answers.project.id,
                for_adjudicator=for_adjudicator,
            )
            slots.append(slot)


def _insert(answers: Answers, item_id: int, class_index: int) -> ResolvedRow:
    batch_item, round_ = answers.state.live[item_id]
    resolved = ResolvedRow(
        item_id=item_id,
        project_id=answers.project.id,
        class_index=class_index,
        source=LabelSource.ANNOTATOR,
        round_number=round_.number,
        label_version=_next_version(answers),
    )
    answers.state.resolved[item_id] = resolved
    set_item_state(batch_item, BatchItemState.LABELED, answers.now)
    batch_item.is_requeued = False
    answers.project.n_labeled += 1
    return resolved


def _forget(answers: Answers, resolved: ResolvedRow) -> None:
    """Open the item again and remove it from gold; who had it as gold may now get it as an item.

    An item of a completed round becomes reserve, so that the round stays complete.
    """
    answers.replaced_versions.append(resolved.label_version)
    _next_version(answers)
    batch_item, round_ = answers.state.live[resolved.item_id]
    if round_.state != RoundState.LABELING:
        batch_item.source = BatchSource.RESERVE
    gold.remove(answers.session, answers.project.id, [resolved.item_id])
    del answers.state.resolved[resolved.item_id]
    set_item_state(batch_item, BatchItemState.OPEN, answers.now)
    answers.project.n_labeled -= 1


def _next_version(answers: Answers) -> int:
    answers.project.label_version += 1
    return answers.project.label_version
