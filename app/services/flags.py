"""Flags: annotators' comments on items that they hold or have answered."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import events, flags, gold
from app.db.tables import ItemFlag
from app.services.answers import Answers, AnswerStatus, Outcome, Refused, open_answers


def flag_items(  # noqa: PLR0913, PLR0917 - session and settings beside its own
    session: Session,
    project_id: int,
    annotator_id: int,
    item_ids: Sequence[int],
    comment: str,
    settings: Settings,
) -> list[Outcome]:
    """Flag items with a comment; return one outcome per item, in order. Leases and labels stay.

    The same comment again is `unchanged`, so that sending a request again is safe.

    Raises:
        ProjectNotAccepting: the project takes no answers in its state.
        AnnotatorPaused: this annotator is paused.
    """
    answers = open_answers(session, project_id, annotator_id, item_ids, settings)

    def flag_one(item_id: int) -> AnswerStatus:
        if not gold.is_theirs(session, project_id, annotator_id, item_id):
            _require_handed_out(answers, item_id)
        if flags.has_open(session, project_id, item_id, annotator_id, comment):
            return AnswerStatus.UNCHANGED
        flag = ItemFlag(
            project_id=project_id, item_id=item_id, annotator_id=annotator_id, comment=comment
        )
        session.add(flag)
        facts = {"item": item_id, "annotator": annotator_id, "comment": comment}
        events.append(session, project_id, "item.flagged", facts)
        return AnswerStatus.FLAGGED

    return answers.take(item_ids, lambda i: i, flag_one)


def _require_handed_out(answers: Answers, item_id: int) -> None:
    live = answers.state.live.get(item_id)
    slots = answers.state.slots[live[0].id] if live else []
    if all(slot.leased_by != answers.annotator_id for slot in slots):
        raise Refused(
            "not_yours",
            f"You neither hold item {item_id} nor labeled it; flag what you were given.",
        )
