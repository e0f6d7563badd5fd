"""Gold: items of known class, annotators' answers, and the action when too many are wrong.

An answer to gold looks to its annotator like any other; it is kept apart from the labels, so that
it is neither trained on nor counted in the budget.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func
from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import annotators, events, items, labels, polls, projects
from app.db.queries import gold as queries
from app.db.queries.gold import GoldScore
from app.db.queries.items import KnownItem
from app.db.tables import GoldItem, Project, ResolvedLabel, Split
from app.domain.annotation import GoldAction, annotation_from_json
from app.domain.class_settings import offered_index, offered_names
from app.domain.quotes import listed, shown
from app.domain.states import LABEL_ACCEPTING_PROJECT_STATES, ProjectState
from app.services import requeue
from app.services.answers import Answers, AnswerStatus, Refused
from app.services.consensus import resolve_open_items
from app.services.excluded_labels import Changed, distrust_labels
from app.services.leases import after_freeing


@dataclass(frozen=True)
class GoldOutcome:
    """The outcome of one item of a request; `code` and `detail` say why it was refused."""

    external_id: str
    status: AnswerStatus
    code: str | None = None
    detail: str | None = None


def set_gold(
    session: Session, project_id: int, wanted: Mapping[str, str | None]
) -> list[GoldOutcome]:
    """Make labeled pool items gold; return one outcome each, in order.

    Args:
        session: whose transaction this is.
        project_id: of the items.
        wanted: external id -> class name; None: the class that the item is labeled with.

    An item must have a resolved label, by its import or by annotators, so that no batch holds it.
    """
    project = projects.lock(session, project_id)
    found = items.known_by_external_id(session, project_id, list(wanted))
    ids = [item.id for item in found.values()]
    resolved = labels.resolved_of_items(session, ids)
    known = queries.known(session, ids)
    outcomes = []
    for external_id, class_name in wanted.items():
        try:
            item = _known_item(project, external_id, found)
            class_index = _class_of(project, item, class_name, resolved)
            status = _set_one(session, project, item.id, class_index, known)
            outcomes.append(GoldOutcome(external_id, status))
        except Refused as refusal:
            outcomes.append(
                GoldOutcome(external_id, AnswerStatus.REFUSED, refusal.code, refusal.detail)
            )
    events.append(session, project_id, "gold.changed", {"n_given": len(wanted)})
    return outcomes


def remove_gold(session: Session, project_id: int, external_ids: Sequence[str]) -> int:
    """Remove these items from the gold set and delete their answers; return how many were gold."""
    projects.lock(session, project_id)
    found = items.known_by_external_id(session, project_id, external_ids)
    n = queries.remove(session, project_id, [item.id for item in found.values()])
    events.append(session, project_id, "gold.removed", {"n": n})
    return n


def answer(answers: Answers, item_id: int, class_index: int) -> AnswerStatus:
    """Take the annotator's answer to gold, as labels are taken."""
    given, _ = answers.gold[item_id]
    if given.skipped_at is not None:
        raise Refused("already_skipped", f"Item {item_id} was skipped and left its batch.")
    before = given.class_index
    if before == class_index:
        return AnswerStatus.UNCHANGED
    if before is None:
        answers.require_readable_gold(item_id)
    given.class_index = class_index
    given.leased_until = None
    given.answered_at = func.clock_timestamp()
    return AnswerStatus.CREATED if before is None else AnswerStatus.REVISED


def take_back(answers: Answers, item_id: int) -> AnswerStatus:
    """Undo the annotator's answer to gold; they hold the item again, like any other."""
    given, _ = answers.gold[item_id]
    if given.class_index is None:
        return AnswerStatus.UNCHANGED
    given.class_index = None
    given.answered_at = None
    answers.session.flush()
    if answers.project.state == ProjectState.RUNNING and item_id not in answers.gold_set_aside:
        queries.lease(
            answers.session,
            answers.project.id,
            answers.annotator_id,
            [item_id],
            answers.settings.annotation_lease_seconds,
        )
    return AnswerStatus.WITHDRAWN


def skip(answers: Answers, item_id: int) -> AnswerStatus:
    """Take the annotator's skip of gold; it does not count for their accuracy."""
    given, _ = answers.gold[item_id]
    if given.skipped_at is not None:
        return AnswerStatus.UNCHANGED
    if given.class_index is not None:
        raise Refused("already_labeled", f"Item {item_id} has all the labels it needs.")
    answers.require_readable_gold(item_id)
    given.skipped_at = func.now()
    return AnswerStatus.SKIPPED


def pause_if_careless(
    session: Session, project: Project, annotator_id: int, settings: Settings
) -> None:
    """Pause the annotator if their accuracy on gold fell below the project's threshold."""
    options = annotation_from_json(project.annotation)
    if options.gold_min_accuracy is None:
        return
    session.flush()
    score = queries.scores(session, project.id, annotator_id).get(annotator_id, GoldScore())
    if score.n_answers < options.gold_min_answers:
        return
    if score.n_right >= options.gold_min_accuracy * score.n_answers:
        return
    reason = f"Fewer control items than {options.gold_min_accuracy:.0%} were answered as expected."
    pause(session, project, annotator_id, reason, settings, distrusts=True)


def pause(  # noqa: PLR0913 - session and settings beside its own
    session: Session,
    project: Project,
    annotator_id: int,
    reason: str,
    settings: Settings,
    *,
    distrusts: bool,
) -> None:
    """Pause the annotator: end leases, flag labels and, if asked, hand their items out again.

    With `distrusts` the labels that stay do not count until an admin clears the flags, unless the
    project keeps them. Disputed items that only they could have decided go by majority. Expects the
    project's lock.
    """
    annotators.pause(session, project.id, annotator_id, reason)
    polls.give_back(session, project.id, annotator_id)
    annotators.forget_reservations(session, project.id, annotator_id)
    n_flagged = annotators.flag_labels(session, project.id, annotator_id, flagged=True)
    session.flush()
    session.expire_all()  # the statements above went past loaded rows
    n_requeued = 0
    accepts = project.state in LABEL_ACCEPTING_PROJECT_STATES  # otherwise its labels are final
    options = annotation_from_json(project.annotation)
    if accepts and options.gold_action is GoldAction.REQUEUE:
        item_ids = annotators.labeled_alone(session, project.id, annotator_id)
        n_requeued = requeue.requeue(session, project, item_ids, settings)
    excluded = Changed()
    if accepts and distrusts:
        excluded = distrust_labels(session, project, annotator_id, settings)
    if accepts and options.adjudicators:  # items no longer wait for the last adjudicator
        resolve_open_items(session, project, settings)
    facts = {
        "annotator": annotator_id,
        "reason": reason,
        "n_flagged": n_flagged,
        "n_requeued": n_requeued,
        "n_excluded": excluded.n_labels,
        "n_reopened": excluded.n_reopened,
    }
    events.append(session, project.id, "annotator.paused", facts)
    after_freeing(session, project, settings)


def _known_item(project: Project, external_id: str, found: Mapping[str, KnownItem]) -> KnownItem:
    item = found.get(external_id)
    if item is None or item.split != Split.POOL:
        raise Refused("unknown_item", f"Project {project.id} has no pool item {external_id!r}.")
    return item


def _class_of(
    project: Project, item: KnownItem, class_name: str | None, resolved: Mapping[int, ResolvedLabel]
) -> int:
    if item.id not in resolved:
        raise Refused(
            "not_labeled",
            f"Item {item.external_id!r} has no label yet. Import gold as pool items with their "
            "class, or label it first.",
        )
    if class_name is None:
        return resolved[item.id].class_index
    found = offered_index(project.classes, project.class_settings, class_name)
    if found is None:
        known = listed(offered_names(project.classes, project.class_settings))
        raise Refused(
            "unknown_class", f"There is no class {shown(class_name)}; use one of {known}."
        )
    return found


def _set_one(
    session: Session, project: Project, item_id: int, class_index: int, known: dict[int, GoldItem]
) -> AnswerStatus:
    if item_id not in known:
        session.add(GoldItem(item_id=item_id, project_id=project.id, class_index=class_index))
        return AnswerStatus.CREATED
    if known[item_id].class_index == class_index:
        return AnswerStatus.UNCHANGED
    known[item_id].class_index = class_index
    return AnswerStatus.REVISED
