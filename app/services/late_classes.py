"""Classes that a later import brings for known items without one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.db.queries import batches, events
from app.db.queries import late_classes as queries
from app.db.queries.late_classes import LabelingState
from app.db.tables import BatchSource, Project
from app.domain.states import BatchItemState


@dataclass(frozen=True)
class Refusal:
    """The reason why an item's class was not taken."""

    code: str
    detail: str


def take_classes(
    session: Session, project: Project, wanted: Mapping[int, int]
) -> tuple[int, dict[int, Refusal]]:
    """Give pool items their imported label; return (how many, item -> why not, of the others).

    An item that waits in a batch or in the reserve and that nobody holds leaves it; the next
    reserve item takes its place. An item that already has this class is in neither part of
    the answer. Expects the project's lock, with expired leases freed.

    Args:
        session: whose transaction this is.
        project: locked.
        wanted: item id -> class index, of items known without a class.
    """
    states = queries.labeling_states(session, list(wanted))
    refused: dict[int, Refusal] = {}
    taken: dict[int, int] = {}
    for item_id, class_index in wanted.items():
        found = states[item_id]
        refusal = _why_not(project, found, class_index)
        if refusal is not None:
            refused[item_id] = refusal
        elif found.class_index is None:
            taken[item_id] = class_index
    if taken:
        leave_batches(session, [states[item_id] for item_id in taken])
        project.label_version += 1
        queries.resolve(session, project.id, taken, project.label_version)
        project.n_imported += len(taken)
        events.append(session, project.id, "items.classes_imported", {"n": len(taken)})
    return len(taken), refused


def _why_not(project: Project, found: LabelingState, class_index: int) -> Refusal | None:
    if found.class_index is not None:
        if found.class_index == class_index:
            return None
        return Refusal(
            "already_labeled",
            f"The item is labeled {project.classes[found.class_index]} already. To have it "
            "labeled again, requeue it.",
        )
    if found.state == BatchItemState.SKIPPED:
        return Refusal("already_skipped", "Annotators skipped the item; it stays out.")
    if found.is_committed:
        return Refusal(
            "in_work",
            "An annotator holds the item or has labeled it. Import its class again when it is "
            "given back, or leave it to them.",
        )
    return None


def leave_batches(session: Session, states: Sequence[LabelingState]) -> None:
    """Withdraw items from where they wait; reserve takes their places in batches."""
    waiting = [found for found in states if found.batch_item_id is not None]
    queries.withdraw(session, [found.batch_item_id for found in waiting])
    of_batch = [x.round_id for x in waiting if x.source == BatchSource.BATCH]
    for round_id in sorted({round_id for round_id in of_batch if round_id is not None}):
        batches.promote_reserve(session, round_id, of_batch.count(round_id))
