"""Labels that do not count: those of annotators who failed on gold, until an admin clears them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import annotators
from app.db.tables import Project
from app.services.answers import ITEMS_AT_ONCE, NOBODY, Answers, read_answers
from app.services.consensus import resolve_item


@dataclass
class Excluded:
    """Counts of labels that changed and of items that lost their resolved label."""

    n_labels: int = 0
    n_reopened: int = 0


def exclude_labels(
    session: Session, project: Project, annotator_id: int, settings: Settings
) -> Excluded:
    """Stop counting the annotator's labels; expects the project's lock.

    An item that loses its resolved label is handed out again, to others, and keeps its place in the
    budget. Labels of gold items stay: an admin has vouched for their class.
    """
    item_ids = annotators.countable_items(session, project.id, annotator_id)
    return _set(session, project, annotator_id, item_ids, settings, is_excluded=True)


def include_labels(
    session: Session, project: Project, annotator_id: int, settings: Settings
) -> Excluded:
    """Count the annotator's excluded labels again; expects the project's lock."""
    item_ids = annotators.excluded_items(session, project.id, annotator_id)
    return _set(session, project, annotator_id, item_ids, settings, is_excluded=False)


def _set(  # noqa: PLR0913 - session and settings beside its own
    session: Session,
    project: Project,
    annotator_id: int,
    item_ids: Sequence[int],
    settings: Settings,
    *,
    is_excluded: bool,
) -> Excluded:
    done = Excluded()
    paused = annotators.paused(session, project.id)
    for start in range(0, len(item_ids), ITEMS_AT_ONCE):
        part = item_ids[start : start + ITEMS_AT_ONCE]
        answers = read_answers(session, project, NOBODY, part, settings, paused)
        for item_id in part:
            _set_one(answers, item_id, annotator_id, done, is_excluded=is_excluded)
        answers.write()
    return done


def _set_one(
    answers: Answers, item_id: int, annotator_id: int, done: Excluded, *, is_excluded: bool
) -> None:
    given = answers.state.given[item_id]
    label = next(x for x in given if x.annotator_id == annotator_id)
    label.is_excluded = is_excluded
    done.n_labels += 1
    if item_id not in answers.state.live:
        return
    was_resolved = item_id in answers.state.resolved
    resolve_item(answers, item_id)
    if was_resolved and item_id not in answers.state.resolved:
        batch_item, _ = answers.state.live[item_id]
        batch_item.is_requeued = True  # stays in the budget until it is labeled again
        done.n_reopened += 1
