"""Labels that do not count: those of annotators who failed on gold, until an admin clears them.

Such labels are distrusted. The project's `flagged_labels` says whether they are excluded from what
resolves an item, or kept; a change of it takes effect on them all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import annotators, imported_labels
from app.db.queries.answers import LabelRow
from app.db.tables import Project
from app.domain.annotation import FlaggedLabels, annotation_from_json
from app.services.answers import ITEMS_AT_ONCE, NOBODY, Answers, read_answers
from app.services.consensus import resolve_item
from app.services.imported_labels import settle


@dataclass
class Changed:
    """Counts of labels that count now or no longer, and of items that lost their resolved label."""

    n_labels: int = 0
    n_reopened: int = 0


def distrust_labels(
    session: Session, project: Project, annotator_id: int, settings: Settings
) -> Changed:
    """Distrust the annotator's labels; expects the project's lock.

    They stop counting unless the project keeps flagged labels. An item that loses its resolved
    label is handed out again, to others, and keeps its place in the budget. Labels of gold items
    stay: an admin has vouched for their class.
    """
    excludes = annotation_from_json(project.annotation).flagged_labels is FlaggedLabels.EXCLUDE

    def distrust(label: LabelRow) -> None:
        if label.annotator_id == annotator_id:
            label.is_distrusted, label.is_excluded = True, excludes

    item_ids = annotators.trusted_items(session, project.id, annotator_id)
    done = _change(session, project, item_ids, settings, distrust)
    imported = imported_labels.set_distrusted(
        session, project.id, annotator_id, distrusted=True, excludes=excludes
    )
    return _settled(session, project, imported, done, counts=excludes)


def trust_labels(
    session: Session, project: Project, annotator_id: int, settings: Settings
) -> Changed:
    """Count the annotator's distrusted labels again; expects the project's lock."""

    def trust(label: LabelRow) -> None:
        if label.annotator_id == annotator_id:
            label.is_distrusted = label.is_excluded = False

    excludes = annotation_from_json(project.annotation).flagged_labels is FlaggedLabels.EXCLUDE
    item_ids = annotators.distrusted_items(session, project.id, annotator_id)
    done = _change(session, project, item_ids, settings, trust)
    imported = imported_labels.set_distrusted(
        session, project.id, annotator_id, distrusted=False, excludes=excludes
    )
    return _settled(session, project, imported, done, counts=excludes)


def apply_flagged_labels(session: Session, project: Project, settings: Settings) -> Changed:
    """Exclude or keep all distrusted labels, as the project says; expects the project's lock."""
    excludes = annotation_from_json(project.annotation).flagged_labels is FlaggedLabels.EXCLUDE

    def apply(label: LabelRow) -> None:
        label.is_excluded = label.is_distrusted and excludes

    item_ids = annotators.distrusted_items(session, project.id)
    done = _change(session, project, item_ids, settings, apply)
    imported = imported_labels.set_excluded(session, project.id, excludes=excludes)
    return _settled(session, project, imported, done, counts=True)


def _settled(
    session: Session, project: Project, item_ids: Sequence[int], done: Changed, *, counts: bool
) -> Changed:
    """Resolve the items of imported labels that changed again, and add these labels to `done`.

    `counts`: whether their exclusion changed, not only the mark.
    """
    done.n_labels += len(item_ids) if counts else 0
    done.n_reopened += settle(session, project, item_ids) if item_ids else 0
    return done


def _change(
    session: Session,
    project: Project,
    item_ids: Sequence[int],
    settings: Settings,
    change: Callable[[LabelRow], None],
) -> Changed:
    done = Changed()
    paused = annotators.paused(session, project.id)
    for start in range(0, len(item_ids), ITEMS_AT_ONCE):
        part = item_ids[start : start + ITEMS_AT_ONCE]
        answers = read_answers(session, project, NOBODY, part, settings, paused)
        for item_id in part:
            _change_item(answers, item_id, change, done)
        answers.write()
    return done


def _change_item(
    answers: Answers, item_id: int, change: Callable[[LabelRow], None], done: Changed
) -> None:
    given = answers.state.given[item_id]
    counted = [label.is_excluded for label in given]
    for label in given:
        change(label)
    n_changed = sum(a != label.is_excluded for a, label in zip(counted, given, strict=True))
    done.n_labels += n_changed
    if not n_changed or item_id not in answers.state.live:
        return
    was_resolved = item_id in answers.state.resolved
    resolve_item(answers, item_id)
    if was_resolved and item_id not in answers.state.resolved:
        batch_item, _ = answers.state.live[item_id]
        batch_item.is_requeued = True  # stays in the budget until it is labeled again
        done.n_reopened += 1
