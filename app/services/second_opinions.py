"""Sends labeled items round for one more label, which is given without knowing the first."""

from collections.abc import Collection, Sequence

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import annotators, events
from app.db.queries import gold as gold_queries
from app.domain.annotation import MAX_LABELS_PER_ITEM
from app.domain.states import BatchItemState
from app.services.answers import (
    NOBODY,
    Answers,
    AnswerStatus,
    Outcome,
    Refused,
    lock_accepting,
    read_answers,
)
from app.services.consensus import resolve_item
from app.services.leases import after_freeing


def ask_second_opinions(
    session: Session, project_id: int, item_ids: Sequence[int], settings: Settings
) -> list[Outcome]:
    """Want one label more of these labeled items; return one outcome per item.

    The labels so far stay. An item is resolved anew once the opinion is there; where the labels
    then tie, one more is asked for. Until then it keeps its place in the budget, and no model is
    trained on it.

    Raises:
        ProjectNotAccepting: the project takes no answers in its state.
    """
    project = lock_accepting(session, project_id, settings)
    paused = annotators.paused(session, project.id)
    answers = read_answers(session, project, NOBODY, item_ids, settings, paused)
    is_gold = gold_queries.known(session, item_ids)
    outcomes = answers.take(item_ids, lambda i: i, lambda i: _ask_one(answers, i, is_gold))
    answers.write()
    after_freeing(session, project, settings)
    return outcomes


def _ask_one(answers: Answers, item_id: int, is_gold: Collection[int]) -> AnswerStatus:
    if item_id not in answers.state.live:
        raise Refused(
            "not_in_batch",
            f"Item {item_id} was not handed out to annotators; its class came with the import. "
            "Import it again under another id to have it labeled.",
        )
    if item_id in is_gold:
        raise Refused("is_gold", f"Item {item_id} is gold; remove it from the gold items first.")
    batch_item, _ = answers.state.live[item_id]
    if batch_item.state == BatchItemState.SKIPPED:
        raise Refused("already_skipped", f"Item {item_id} was skipped and left its batch.")
    if batch_item.state != BatchItemState.LABELED:
        raise Refused("not_labeled", f"Item {item_id} still waits for the labels that it wants.")
    n_given = len([x for x in answers.state.given[item_id] if not x.is_adjudication])
    if n_given >= MAX_LABELS_PER_ITEM:
        raise Refused(
            "already_labeled", f"Item {item_id} has {n_given} labels, the most there are."
        )
    if any(x.is_adjudication for x in answers.state.given[item_id]):
        raise Refused(
            "wants_adjudicator",
            f"An adjudicator decided item {item_id}: they may revise it, or you requeue it.",
        )
    batch_item.labels_wanted = n_given + 1
    batch_item.is_requeued = True
    resolve_item(answers, item_id)
    events.append(answers.session, answers.project.id, "item.second_opinion", {"item": item_id})
    return AnswerStatus.REQUEUED
