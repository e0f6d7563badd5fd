"""Labels by annotators that come with an import: kept by annotator, and resolved by consensus.

They count outside the budget, like classes that are imported. Where they tie, or agree less than
the project wants, the item stays without a label and may be selected; labels that are given here
then decide alone. No label that was given here is ever changed by an import.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from app.db.queries import erasures, events, gold, late_classes, models, tokens
from app.db.queries import imported_labels as queries
from app.db.queries import items as item_queries
from app.db.queries import labels as label_queries
from app.db.queries.imported_labels import Answer, Resolved, StoredResolved
from app.db.queries.late_classes import LabelingState
from app.db.tables import ConsensusSource, LabelSource, Project, Split
from app.domain.annotation import AnnotationOptions, annotation_from_json
from app.domain.consensus import decide
from app.domain.quotes import shown
from app.domain.states import BatchItemState
from app.services.answers import Refused
from app.services.import_counts import ImportCounts, LateAnswers
from app.services.late_classes import leave_batches
from app.services.prepared_items import Prepared

MAX_ANNOTATORS = 10_000  # of a project; a column of other names would make millions of them
Row = Mapping[str, Any]
Ids = Mapping[str, int]  # annotators by name


def annotators_of(
    session: Session, project: Project, prepared: Sequence[Prepared], counts: ImportCounts
) -> tuple[list[Prepared], dict[str, int]]:
    """Return (the lines that can be taken, ids of their annotators by name).

    Annotators are created when they are first seen.
    """
    names = {name for _, row in prepared for name, _ in row["answers"]}
    if not names:
        return list(prepared), {}
    new = names - tokens.ids_by_name(session, sorted(names)).keys()
    n_known = len(label_queries.annotators_of(session, project.id)) if new else 0
    too_many = new if n_known + len(new) > MAX_ANNOTATORS else frozenset()
    taken = []
    for line, row in prepared:
        if any(name in too_many for name, _ in row["answers"]):
            counts.refuse(
                line,
                row["external_id"],
                "too_many_annotators",
                f"A project takes labels of at most {MAX_ANNOTATORS} annotators. If the column "
                "names something else, leave it out: --map COLUMN=ignore.",
            )
        else:
            taken.append((line, row))
    return taken, tokens.annotator_ids(session, sorted(names - too_many))


def store_answers(
    session: Session, project: Project, rows: Sequence[Row], first: Mapping[Split, int], ids: Ids
) -> int:
    """Store the answers of new items, and resolve those of the pool; return how many answers.

    Args:
        session: whose transaction this is.
        project: locked.
        rows: of new items, some of them with answers.
        first: the index of the first new item by split.
        ids: of the annotators.
    """
    answered = [row for row in rows if row["answers"]]
    if not answered:
        return 0
    options = annotation_from_json(project.annotation)
    items = {split: queries.new_ids(session, project.id, split, first[split]) for split in Split}
    answers: list[Answer] = []
    decided: dict[int, Resolved] = {}
    for row in answered:
        item_id = items[Split(row["split"])][row["external_id"]]
        answers += [Answer(item_id, ids[name], c) for name, c in row["answers"]]
        found = _decision([c for _, c in row["answers"]], options)
        if found is not None and row["split"] == Split.POOL:
            decided[item_id] = found
    queries.add(session, project.id, answers)
    _resolve(session, project, decided)
    return len(answers)


def take_late_answers(session: Session, project: Project, counts: ImportCounts, ids: Ids) -> None:
    """Decide the lines that bring answers for known items; expects expired leases freed."""
    late, counts.late_answers = counts.late_answers, []
    known = item_queries.known_by_external_id(
        session, project.id, list({each.external_id for each in late})
    )
    items = {key: item.id for key, item in known.items()}
    taking = _Taking(session, project, sorted(items.values()))
    for each in late:
        item_id = items[each.external_id]
        given = [Answer(item_id, ids[name], c) for name, c in each.answers]
        try:
            new = taking.new_answers(given, each)
        except Refused as refusal:
            counts.refuse(each.line, each.external_id, refusal.code, str(refusal))
            continue
        counts.n_known += not new
        counts.n_updated += bool(new)
        counts.n_labels += len(new)
    queries.add(session, project.id, taking.accepted)
    settle(session, project, sorted({answer.item_id for answer in taking.accepted}))


@dataclass
class _Taking:
    """Known items and what is known of them while answers are taken."""

    session: Session
    project: Project
    item_ids: Sequence[int]
    accepted: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._standing = queries.standing(self.session, self.item_ids)
        self._resolved = queries.resolved(self.session, self.item_ids)
        self._states = late_classes.labeling_states(self.session, self.item_ids)
        self._gold = gold.known(self.session, self.item_ids)
        self._options = annotation_from_json(self.project.annotation)

    def new_answers(self, given: Sequence[Answer], line: LateAnswers) -> list[Answer]:
        """Return those that are not known yet, now accepted.

        Raises:
            Refused: they cannot be taken.
        """
        new = []
        for answer, (name, _) in zip(given, line.answers, strict=True):
            before = self._standing.get((answer.item_id, answer.annotator_id))
            if before is None:
                new.append(answer)
            elif before != answer.class_index:
                raise Refused(
                    "label_conflict",
                    f"{shown(name)} labeled the item {shown(self.project.classes[before])} before; "
                    "that stays. Of several answers in a file the newest counts if they follow "
                    "each other: sort it by item.",
                )
        if new:
            self._check(new)
            self.accepted += new
            self._standing |= {(a.item_id, a.annotator_id): a.class_index for a in new}
        return new

    def _check(self, new: Sequence[Answer]) -> None:
        item_id = new[0].item_id
        refused = self._why_not(item_id, [answer.class_index for answer in new])
        if refused is not None:
            raise refused

    def _why_not(self, item_id: int, classes: Sequence[int]) -> Refused | None:
        stored, state = self._resolved.get(item_id), self._states[item_id]
        if item_id in self._gold:
            return Refused("is_gold", "The item is gold; remove it from the gold items first.")
        if state.state == BatchItemState.SKIPPED:
            return Refused("already_skipped", "Annotators skipped the item; it stays out.")
        if stored is not None and stored.source == LabelSource.ANNOTATOR:
            return Refused(
                "already_labeled", "The item was labeled here, and these labels decide alone."
            )
        if state.is_committed:
            return Refused(
                "in_work",
                "An annotator holds the item or has labeled it. Import its labels again when it is "
                "given back, or leave it to them.",
            )
        is_plain = stored is not None and stored.method == ConsensusSource.IMPORTED
        found = _decision(classes, self._options)
        if is_plain and stored is not None and (found and found.class_index) != stored.class_index:
            return Refused(
                "already_labeled",
                f"The item was imported as {shown(self.project.classes[stored.class_index])} "
                "already, and these labels say otherwise.",
            )
        return None


def settle(session: Session, project: Project, item_ids: Sequence[int]) -> int:
    """Resolve pool items by their imported labels as they are now; return how many lost theirs.

    Items that annotators label here, or have labeled or skipped, stay as they are; those that wait
    in a batch leave it once they are resolved. Models that learned another class become stale.
    Expects the project's lock, with expired leases freed.
    """
    options = annotation_from_json(project.annotation)
    pool = queries.pool_ids(session, item_ids)
    stored, given = queries.resolved(session, pool), queries.counted(session, pool)
    states = late_classes.labeling_states(session, pool)
    new: dict[int, Resolved] = {}
    changed: dict[int, Resolved] = {}
    lost: list[int] = []
    for item_id in pool:
        decision = _decision(given.get(item_id, ()), options)
        before = stored.get(item_id)
        if before is None:
            if decision is not None and _waits(states[item_id]):
                new[item_id] = decision
        elif _is_by_answers(before, decision):
            if decision is None:
                lost.append(item_id)
            else:
                changed[item_id] = decision
    leave_batches(session, [states[item_id] for item_id in new])
    _resolve(session, project, new)
    _resolve_again(session, project, stored, changed)
    _forget(session, project, lost)
    if new:
        events.append(session, project.id, "items.classes_imported", {"n": len(new)})
    return len(lost)


def settle_class(session: Session, project: Project, class_index: int) -> None:
    """Resolve the items again whose imported labels name a class that another was merged into."""
    settle(session, project, queries.of_class(session, project.id, class_index))


def _decision(classes: Sequence[int], options: AnnotationOptions) -> Resolved | None:
    """Return what these answers agree on; None: nothing, a tie, or less than is wanted."""
    if not classes:
        return None
    n = len(classes)
    found = decide(classes, n, n + 1, options.min_agreement, may_adjudicate=False)
    return None if found.class_index is None else Resolved(found.class_index, found.agreement)


def _waits(state: LabelingState) -> bool:
    """Return whether nobody labels the item here, or has."""
    return state.state is None or (state.state == BatchItemState.OPEN and not state.is_committed)


def _is_by_answers(stored: StoredResolved, decision: Resolved | None) -> bool:
    """Return whether imported answers resolve the item: they, or a class that they confirm."""
    if stored.source == LabelSource.ANNOTATOR:
        return False
    is_confirmed = decision is not None and decision.class_index == stored.class_index
    return stored.method != ConsensusSource.IMPORTED or is_confirmed


def _resolve(session: Session, project: Project, decided: Mapping[int, Resolved]) -> None:
    if decided:
        project.label_version += 1
        queries.resolve(session, project.id, decided, project.label_version)
        project.n_imported += len(decided)


def _resolve_again(
    session: Session,
    project: Project,
    stored: Mapping[int, StoredResolved],
    decided: Mapping[int, Resolved],
) -> None:
    other = {key: x for key, x in decided.items() if x.class_index != stored[key].class_index}
    same = {key: x for key, x in decided.items() if key not in other}
    if same:
        queries.resolve_again(session, same, None)
    if other:
        models.mark_stale(session, project.id, min(stored[key].label_version for key in other))
        project.label_version += 1
        queries.resolve_again(session, other, project.label_version)


def _forget(session: Session, project: Project, item_ids: Sequence[int]) -> None:
    """Let items be selected again whose answers agree no more."""
    gold.release_items(session, item_ids)
    gold.remove(session, project.id, item_ids)
    version = erasures.forget_resolved(session, project, item_ids)
    if version is not None:
        models.mark_stale(session, project.id, version)
