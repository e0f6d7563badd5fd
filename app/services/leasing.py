"""Handing items to annotators: what they hold first, then the batch, then the reserve."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import batches, projects, rounds
from app.db.queries.batches import LeasedItem
from app.db.tables import Project, Round
from app.domain.errors import ProjectNotAccepting
from app.domain.states import ProjectState, RoundState
from app.services.rounds import advance, budget_state


class WaitingFor(StrEnum):
    """Why a poll of a running project brought nothing.

    OTHERS hold or answer what is left; SELECTION is under way; an admin must RETRY a failed round.
    """

    OTHERS = "others"
    SELECTION = "selection"
    RETRY = "retry"


@dataclass(frozen=True)
class NextBatch:
    """What a poll answers; `items` may be empty, then `waiting_for` says why."""

    project: Project
    round_: Round | None
    items: list[LeasedItem]

    @property
    def waiting_for(self) -> WaitingFor | None:
        """Why there is nothing to hand out; None with items, or unless the project runs."""
        if self.items or self.project.state != ProjectState.RUNNING or self.round_ is None:
            return None
        if self.round_.state == RoundState.FAILED:
            return WaitingFor.RETRY
        if self.round_.state in (RoundState.TRAINING, RoundState.SELECTING):
            return WaitingFor.SELECTION
        return WaitingFor.OTHERS

    def labels_behind(self, item: LeasedItem) -> int:
        """Return how many labels were resolved since the ranking that brought this item."""
        known = self.project.n_labeled + self.project.n_imported
        return known - item.n_labeled_at_ranking


def next_batch(
    session: Session, project_id: int, annotator_id: int, size: int, settings: Settings
) -> NextBatch:
    """Lease up to `size` items to the annotator and return them.

    Polling again returns what is still leased first, with its lease renewed, so a lost answer
    loses nothing and two tabs of one annotator show the same items. Then come items of the batch
    by rank, then of the reserve while the total budget allows. Polls of a project follow one
    another under its row lock (docs/decisions/0004).
    """
    project = projects.lock(session, project_id)
    if project.state != ProjectState.RUNNING:
        return NextBatch(project, rounds.latest(session, project_id), [])
    release_expired(session, project, settings)
    lease_seconds = settings.annotation_lease_seconds
    slots = batches.leases_of(session, project_id, annotator_id)[:size]
    batches.lease_slots(session, slots, annotator_id, lease_seconds)
    slots += batches.lease_free_slots(
        session, project_id, annotator_id, size - len(slots), lease_seconds
    )
    if len(slots) < size:
        left = budget_state(session, project).left_for_reserve
        slots += batches.lease_free_slots(
            session,
            project_id,
            annotator_id,
            min(size - len(slots), left),
            lease_seconds,
            uncommitted_reserve=True,
        )
    items = batches.leased_items(session, slots)
    return NextBatch(project, rounds.latest(session, project_id), items)


def renew_leases(
    session: Session,
    project_id: int,
    annotator_id: int,
    item_ids: Sequence[int] | None,
    settings: Settings,
) -> list[LeasedItem]:
    """Extend the annotator's live leases (of these items, or all) and return them.

    A lease that has ended is not brought back: the item may be another's by now.

    Raises:
        ProjectNotAccepting: the project leases nothing in its state.
    """
    project = projects.lock(session, project_id)
    if project.state != ProjectState.RUNNING:
        raise ProjectNotAccepting(
            f"Project {project_id} is {project.state}: nothing is leased now. Labels of what you "
            "hold are still taken while it is paused."
        )
    release_expired(session, project, settings)
    slots = batches.leases_of(session, project_id, annotator_id, item_ids)
    batches.lease_slots(session, slots, annotator_id, settings.annotation_lease_seconds)
    return batches.leased_items(session, slots)


def release_leases(
    session: Session,
    project_id: int,
    annotator_id: int,
    item_ids: Sequence[int] | None,
    settings: Settings,
) -> list[LeasedItem]:
    """Give the annotator's leases (of these items, or all) back; return those that live on.

    The items are free for others at once.
    """
    project = projects.lock(session, project_id)
    release_expired(session, project, settings)
    slots = batches.leases_of(session, project_id, annotator_id, item_ids)
    batches.free_slots(session, slots)
    after_freeing(session, project, settings)
    return batches.leased_items(session, batches.leases_of(session, project_id, annotator_id))


def release_expired(session: Session, project: Project, settings: Settings) -> int:
    """Free the project's expired leases and draw the consequences; return how many."""
    n_freed = batches.free_expired_leases(session, project.id)
    if n_freed:
        after_freeing(session, project, settings)
    return n_freed


def after_freeing(session: Session, project: Project, settings: Settings) -> None:
    """Return reserve of earlier rounds to the pool; let a project go on that only waited."""
    newest = rounds.newest_published_id(session, project.id)
    batches.withdraw_uncommitted(session, project.id, keep_round_id=newest)
    advance(session, project, settings.job_max_attempts)
