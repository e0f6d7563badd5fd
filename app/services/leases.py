"""Leases items to annotators: items they hold first, then the batch, then the reserve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import batches, jobs, leases, polls, projects, tokens
from app.db.queries import gold as gold_queries
from app.db.queries.free_slots import free_slots
from app.db.queries.leases import LeasedItem, Slot
from app.db.queries.polls import NewestRound
from app.db.tables import Project
from app.domain.annotation import annotation_from_json
from app.domain.errors import AnnotatorPaused, ProjectNotAccepting
from app.domain.states import ProjectState, RoundState
from app.services import gold_mixing
from app.services.lifecycle import advance, free_expired, is_pool_used_up, none_expired


class WaitingFor(StrEnum):
    """The reason why a poll of a running project returned nothing.

    OTHERS hold or answer what is left; SELECTION is under way; an admin must RETRY a failed round;
    every item was skipped or cannot be read: POOL_USED_UP until an admin adds items or finishes;
    those whom the tool's token acts for hold as many LEASES as a token may.
    """

    OTHERS = "others"
    SELECTION = "selection"
    RETRY = "retry"
    POOL_USED_UP = "pool_used_up"
    LEASES = "leases"


@dataclass(frozen=True)
class NextBatch:
    """The answer to a poll; `items` may be empty, then `waiting_for` says why."""

    project: Project
    round_: NewestRound | None
    items: list[LeasedItem]
    hides_ranking: bool = False
    is_token_full: bool = False
    is_pool_used_up: bool = False
    ready_in_seconds: float | None = None

    @property
    def waiting_for(self) -> WaitingFor | None:
        """The reason why nothing is handed out; None with items, or unless the project runs."""
        if self.items or self.project.state != ProjectState.RUNNING or self.round_ is None:
            return None
        if self.is_pool_used_up:
            return WaitingFor.POOL_USED_UP
        if self.round_.state == RoundState.FAILED:
            return WaitingFor.RETRY
        if self.round_.state in (RoundState.TRAINING, RoundState.SELECTING):
            return WaitingFor.SELECTION
        if self.is_token_full:
            return WaitingFor.LEASES
        return WaitingFor.OTHERS

    def labels_behind(self, item: LeasedItem) -> int:
        """Return how many labels were resolved since the ranking that brought this item."""
        known = self.project.n_labeled + self.project.n_imported
        return known - item.n_labeled_at_ranking


def next_batch(  # noqa: PLR0913 - session and settings beside its own
    session: Session,
    project_id: int,
    annotator_id: int,
    size: int,
    settings: Settings,
    *,
    token_id: int | None = None,
) -> NextBatch:
    """Lease up to `size` items to the annotator and return them.

    Polling again returns what is still leased first, with its lease renewed, so a lost answer
    loses nothing and two tabs of one annotator show the same items. Then come items kept for this
    annotator, items of the batch by rank, then of the reserve while the total budget allows; gold
    stands among them. Polls of a project follow one another under its row lock
    (docs/decisions/0004).

    Args:
        session: whose transaction this is.
        project_id: of the items.
        annotator_id: who gets them.
        size: items wanted; an annotator never holds more than SVP_MAX_LEASES_PER_ANNOTATOR.
        settings: of this machine.
        token_id: of a tool that acts for the annotator: all whom it acts for never hold more than
            SVP_MAX_LEASES_PER_TOKEN of the project's items together.

    Raises:
        AnnotatorPaused: the project hands this annotator nothing.
    """
    project = projects.lock(session, project_id)
    standing = polls.standing(session, project_id, annotator_id)
    if project.state != ProjectState.RUNNING:
        return NextBatch(project, standing.round_, [])
    if standing.paused_because is not None:
        require_active(project, annotator_id, {annotator_id: standing.paused_because})
    if standing.has_expired:
        release_expired(session, project, settings)
        standing = polls.standing(session, project_id, annotator_id)
    size = min(size, settings.max_leases_per_annotator)
    order = gold_mixing.HandingOrder(project, annotator_id)
    held, held_gold = standing.held, standing.held_gold
    hides_ranking = gold_mixing.hides_by_settings(project) or standing.was_handed_out_or_control
    if hides_ranking:
        held, held_gold = order.first(held, held_gold, size)
    held = held[:size]
    room = size - len(held) - len(held_gold)
    is_token_full = False
    if token_id is not None and room > 0:
        n_held = leases.n_held_through(session, project_id, token_id)
        room = max(0, min(room, settings.max_leases_per_token - n_held))
        is_token_full = room == 0
    fresh = _free_slots(session, project, annotator_id, room, order if hides_ranking else None)
    fresh, new_gold = gold_mixing.replace_by_gold(session, project, annotator_id, fresh, room)
    seconds = settings.annotation_lease_seconds
    items = leases.lease_items(session, held + fresh, annotator_id, seconds)
    gold_queries.lease(session, project_id, annotator_id, [*held_gold, *new_gold], seconds)
    if hides_ranking:
        placed = list(zip(held + fresh, items, strict=True))
        items = order.mixed(session, placed[: len(held)], held_gold)
        items += order.mixed(session, placed[len(held) :], new_gold)
    used_up = not items and not is_token_full and is_pool_used_up(session, project)
    batch = NextBatch(project, standing.round_, items, hides_ranking, is_token_full, used_up)
    if batch.waiting_for is WaitingFor.SELECTION:
        left = jobs.seconds_to_selection(session, project_id)
        return replace(batch, ready_in_seconds=None if left is None else max(0.0, left))
    return batch


def _free_slots(
    session: Session,
    project: Project,
    annotator_id: int,
    size: int,
    order: gold_mixing.HandingOrder | None,
) -> list[Slot]:
    """Return up to `size` free slots of items that the annotator does not hold; best rank first.

    With an `order`, it chooses among some more of the best ranked: the ranks of a control arm's
    items are known to who knows how they are drawn.
    """
    adjudicators = annotation_from_json(project.annotation).adjudicators
    return free_slots(
        session,
        project.id,
        annotator_id,
        size,
        unspent=project.total_budget - project.n_labeled,
        is_adjudicator=bool(adjudicators)
        and annotator_id in tokens.ids_by_name(session, adjudicators).values(),
        order=order.of_slot if order else None,
    )


def require_active(project: Project, annotator_id: int, paused: Mapping[int, str]) -> None:
    """Check that the annotator is not paused.

    Args:
        project: that is worked on.
        annotator_id: who works.
        paused: annotator id -> reason, of those paused.

    Raises:
        AnnotatorPaused: they are.
    """
    if annotator_id in paused:
        raise AnnotatorPaused(
            f"You are paused in project {project.id}: {paused[annotator_id]} Ask its admin to "
            "resume you."
        )


def renew_leases(
    session: Session,
    project_id: int,
    annotator_id: int,
    item_ids: Sequence[int] | None,
    settings: Settings,
) -> list[LeasedItem]:
    """Extend the annotator's live leases (of these items, or all) and return them.

    An expired lease is not renewed: another annotator may hold the item by now.

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
    slots = leases.leases_of(session, project_id, annotator_id, item_ids)
    seconds = settings.annotation_lease_seconds
    items = leases.lease_items(session, slots, annotator_id, seconds)
    gold_ids = [
        answer.item_id
        for answer in gold_queries.leases_of(session, project_id, annotator_id, item_ids)
    ]
    gold_queries.lease(session, project_id, annotator_id, gold_ids, seconds)
    return _in_order(session, project, annotator_id, list(zip(slots, items, strict=True)), gold_ids)


def release_leases(
    session: Session,
    project_id: int,
    annotator_id: int,
    item_ids: Sequence[int] | None,
    settings: Settings,
) -> list[LeasedItem]:
    """Release the annotator's leases (of these items, or all); return those that remain.

    The items are free for others at once.
    """
    project = projects.lock(session, project_id)
    polls.give_back(session, project_id, annotator_id, item_ids)
    none_expired(session, project)
    after_freeing(session, project, settings)
    if item_ids is None:
        return []
    left = leases.leases_of(session, project_id, annotator_id)
    items = leases.leased_items(session, left)
    gold_left = gold_queries.leases_of(session, project_id, annotator_id)
    gold_ids = [answer.item_id for answer in gold_left]
    return _in_order(session, project, annotator_id, list(zip(left, items, strict=True)), gold_ids)


def _in_order(
    session: Session,
    project: Project,
    annotator_id: int,
    held: Sequence[tuple[Slot, LeasedItem]],
    gold_ids: Sequence[int],
) -> list[LeasedItem]:
    """Return what the annotator holds, in the order in which a poll returns it."""
    if not gold_mixing.hides_ranking(session, project):
        return [item for _, item in held]
    return gold_mixing.HandingOrder(project, annotator_id).mixed(session, held, gold_ids)


def release_expired(session: Session, project: Project, settings: Settings) -> int:
    """Free the project's expired leases and let the project go on; return how many."""
    n_freed = free_expired(session, project)
    if n_freed:
        after_freeing(session, project, settings)
    return n_freed


def after_freeing(session: Session, project: Project, settings: Settings) -> None:
    """Return reserve of earlier rounds to the pool, and advance a project that only waited."""
    batches.withdraw_earlier(session, project.id)
    advance(session, project, settings.job_max_attempts)
