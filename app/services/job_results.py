"""Publishes a job's result and its consequences, in one transaction under the fence.

Locks go project first, then job; whoever lost the job's token publishes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import batches, events, projects
from app.db.queries import core_sets as core_set_queries
from app.db.queries import jobs as queries
from app.db.queries.batches import Place, RankedItem
from app.db.queries.core_sets import EpochScores, SelectedItem
from app.db.tables import BatchSource, CoreSet, Job, Model, ModelRole, Project, Round
from app.domain.annotation import annotation_from_json, labels_wanted
from app.domain.budget import next_batch_budget
from app.domain.errors import JobFenced, NotFound
from app.domain.states import BatchItemState, JobState, ProjectState, RoundState
from app.services.audits import audit_if_due
from app.services.budget import budget_state, n_selectable
from app.services.jobs import ClaimedJob
from app.services.leases import release_expired
from app.services.lifecycle import advance
from app.services.transitions import set_job_state, set_project_state, set_round_state
from models.seconds import PartSeconds, Spent

PublishingClock = Callable[[], Spent]
"""Gives the seconds since the publishing began."""


@dataclass(frozen=True)
class TrainedFacts:
    """A job's report on the model that it trained; the weights are an artifact.

    `predictions_hash` is the artifact of the items that measure it, `evaluation` their report.
    """

    name: str
    recipe: dict[str, Any]
    recipe_hash: str
    weights_hash: str
    n_labeled: int
    metrics: dict[str, Any]
    seconds: PartSeconds
    provenance: dict[str, Any]
    predictions_hash: str | None = None
    evaluation: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Selection:
    """A selecting job's report: the ranking, best first, and how it came about.

    `decided_by` holds all that `svp replay-selection` needs to repeat it; `predictions_hash` and
    `stability` say how far the proxy's predictions have changed since the round before. `choice`
    is the strategy that `auto` took, and why; None where another one was asked for. `clock`
    gives the seconds of publishing so far, which the round gets; all but its commit count.
    """

    ranked: Sequence[RankedItem]
    n_labeled: int
    seconds: PartSeconds
    ranking_hash: str
    model: TrainedFacts | None = None
    decided_by: Mapping[str, Any] = field(default_factory=dict)
    predictions_hash: str | None = None
    stability: Mapping[str, Any] = field(default_factory=dict)
    clock: PublishingClock | None = None
    choice: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class CoreSetFacts:
    """A core-set job's report, apart from its items.

    `weights_hash` is the selection model's artifact; None where the strategy needs no model.
    """

    n_labeled: int
    seconds: PartSeconds
    provenance: dict[str, Any]
    weights_hash: str | None


def begin_selecting(session: Session, claimed: ClaimedJob) -> None:
    """Move the job's round from training to selecting, if it is not there yet.

    Raises:
        JobFenced: the job belongs to another or has ended.
    """
    _, _, round_ = _lock_round(session, claimed)
    if round_.state == RoundState.TRAINING:
        set_round_state(session, round_, RoundState.SELECTING)


def stage_batch(session: Session, claimed: ClaimedJob, ranked: Sequence[RankedItem]) -> None:
    """Store what will probably be the round's batch and reserve, unseen until it is published.

    In a transaction of its own, without the project's lock: annotators go on meanwhile, and
    publishing needs it for a moment only.

    Raises:
        JobFenced: the job belongs to another or has ended.
    """
    _owned(session, claimed)
    project = projects.get(session, claimed.project_id)
    round_ = _round_of(session, claimed)
    batches.delete_staged(session, round_.id)  # of an attempt before this one
    likely = ranked[: round_.budget + project.reserve]
    item_ids = batches.item_ids(session, project.id, [entry.index for entry in likely])
    pairs = [(item_ids[entry.index], entry) for entry in likely]
    places = _places(project, pairs, round_.budget)
    batches.insert_places(session, round_, places, BatchItemState.WITHDRAWN)


def publish_selection(
    session: Session, claimed: ClaimedJob, selection: Selection, settings: Settings
) -> None:
    """End a selecting job: store its model, hand its batch out, go on to labeling.

    Withdraws the reserve of earlier rounds that nobody holds; leaves out items that were labeled
    or leased since the snapshot; the next ranked ones take their places. What `stage_batch` stored
    before is only opened.

    Raises:
        JobFenced: the job belongs to another or has ended; nothing is published.
    """
    project, job, round_ = _lock_round(session, claimed)
    release_expired(session, project, settings)
    if selection.model is not None:
        model = _insert_model(session, job, round_, ModelRole.PROXY, selection.model)
        round_.model_id = model.id
    batches.withdraw_uncommitted(session, project.id)
    indices = [entry.index for entry in selection.ranked]
    selectable = batches.selectable_items(session, project.id, indices)
    ranked = [(selectable[e.index], e) for e in selection.ranked if e.index in selectable]
    budget = budget_state(session, project)
    n_batch = next_batch_budget(round_.budget, budget, n_selectable(session, project, budget))
    places = _places(project, ranked[: n_batch + project.reserve], n_batch)
    _hand_out(session, round_, places)
    round_.n_labeled = selection.n_labeled
    round_.ranking_hash = selection.ranking_hash
    round_.selection = dict(selection.decided_by)
    round_.predictions_hash = selection.predictions_hash
    round_.stability = dict(selection.stability)
    if selection.choice is not None:
        round_.strategy = selection.choice["strategy"]
        facts = {"round": round_.number, "n_labeled": selection.n_labeled, **selection.choice}
        events.append(session, project.id, "round.strategy_chosen", facts)
    round_.labeling_at = func.now()
    set_round_state(session, round_, RoundState.LABELING, n_batch=min(n_batch, len(ranked)))
    set_job_state(session, job, JobState.SUCCEEDED)
    audit_if_due(session, project, round_, settings)
    advance(session, project, settings.job_max_attempts)
    seconds = _with_publishing(selection.seconds, selection.clock)
    round_.seconds, round_.cpu_seconds = seconds.wall, seconds.cpu


def _hand_out(session: Session, round_: Round, places: Sequence[Place]) -> None:
    staged = batches.staged_items(session, round_.id)
    is_staged = [staged.get(place.item_id) == place.labels_wanted for place in places]
    batches.open_staged(session, round_.id, list(compress(places, is_staged)))
    new = [place for place, is_there in zip(places, is_staged, strict=True) if not is_there]
    batches.insert_places(session, round_, new, BatchItemState.OPEN)


def _with_publishing(seconds: PartSeconds, clock: PublishingClock | None) -> PartSeconds:
    """Return a job's seconds with those of publishing so far."""
    return seconds if clock is None else seconds.with_part("publishing", clock())


def _places(
    project: Project, ranked: Sequence[tuple[int, RankedItem]], n_batch: int
) -> list[Place]:
    """Return the places of (item id, entry), best first; the first `n_batch` are the batch.

    The project's present settings decide how many labels an item gets.
    """
    options = annotation_from_json(project.annotation)
    return [
        Place(
            item_id=item_id,
            source=BatchSource.BATCH if rank < n_batch else BatchSource.RESERVE,
            rank=rank,
            score=entry.score,
            suggestion_class=entry.suggestion_class,
            suggestion_confidence=entry.suggestion_confidence,
            is_control=entry.is_control,
            labels_wanted=labels_wanted(
                options, project.labels_per_item, project.seed, entry.index
            ),
        )
        for rank, (item_id, entry) in enumerate(ranked)
    ]


def publish_target(
    session: Session,
    claimed: ClaimedJob,
    model: TrainedFacts,
    clock: PublishingClock | None = None,
) -> None:
    """End the target's job: store its model and finish the project.

    The model's seconds get those of publishing so far, as the clock gives them.

    Raises:
        JobFenced: the job belongs to another or has ended; nothing is published.
    """
    project = projects.lock(session, claimed.project_id, even_archived=True)
    job = _owned(session, claimed)
    model = replace(model, seconds=_with_publishing(model.seconds, clock))
    _insert_model(session, job, None, ModelRole.TARGET, model)
    set_job_state(session, job, JobState.SUCCEEDED)
    set_project_state(session, project, ProjectState.FINISHED)
    project.finished_at = func.now()


def store_core_set_items(
    session: Session, claimed: ClaimedJob, first_rank: int, part: Sequence[SelectedItem]
) -> None:
    """Store a part of what a core-set's job selected; nobody sees it until the job is published.

    A part of its own transaction each, without the project's lock: annotators go on meanwhile. The
    part of rank 0 removes the leftovers of an earlier attempt.

    Raises:
        JobFenced: the job belongs to another or has ended.
    """
    job = _owned(session, claimed)
    if job.core_set_id is None:
        raise NotFound("core_set", claimed.core_set_id)
    if first_rank == 0:
        core_set_queries.delete_items(session, job.core_set_id)
    core_set_queries.insert_items(session, job.project_id, job.core_set_id, first_rank, part)


def store_core_set_scores(session: Session, claimed: ClaimedJob, scores: EpochScores) -> None:
    """Store what was measured after an epoch of a core-set's training; seen once it is published.

    Raises:
        JobFenced: the job belongs to another or has ended.
    """
    job = _owned(session, claimed)
    if job.core_set_id is None:
        raise NotFound("core_set", claimed.core_set_id)
    core_set_queries.store_scores(session, job.core_set_id, scores)


def publish_core_set(session: Session, claimed: ClaimedJob, facts: CoreSetFacts) -> None:
    """End a core-set's job, whose items are stored.

    Raises:
        JobFenced: the job belongs to another or has ended; nothing is published.
    """
    projects.lock(session, claimed.project_id, even_archived=True)
    job = _owned(session, claimed)
    core_set = session.get(CoreSet, claimed.core_set_id)
    if core_set is None:
        raise NotFound("core_set", claimed.core_set_id)
    core_set.n_labeled = facts.n_labeled
    core_set.label_version = job.snapshot_version
    core_set.seconds, core_set.cpu_seconds = facts.seconds.wall, facts.seconds.cpu
    core_set.provenance = facts.provenance
    core_set.weights_hash = facts.weights_hash
    set_job_state(session, job, JobState.SUCCEEDED)


def _owned(session: Session, claimed: ClaimedJob) -> Job:
    job = queries.owned(session, claimed.id, claimed.token)
    if job is None:
        raise JobFenced(claimed.id)
    return job


def _lock_round(session: Session, claimed: ClaimedJob) -> tuple[Project, Job, Round]:
    project = projects.lock(session, claimed.project_id, even_archived=True)
    job = _owned(session, claimed)
    return project, job, _round_of(session, claimed)


def _round_of(session: Session, claimed: ClaimedJob) -> Round:
    round_ = session.get(Round, claimed.round_id)
    if round_ is None:
        raise NotFound("round", claimed.round_id)
    return round_


def _insert_model(
    session: Session, job: Job, round_: Round | None, role: ModelRole, facts: TrainedFacts
) -> Model:
    model = Model(
        project_id=job.project_id,
        round_number=round_.number if round_ else None,
        role=role,
        name=facts.name,
        recipe=facts.recipe,
        recipe_hash=facts.recipe_hash,
        weights_hash=facts.weights_hash,
        n_labeled=facts.n_labeled,
        metrics=facts.metrics,
        seconds=facts.seconds.wall,
        cpu_seconds=facts.seconds.cpu,
        provenance=facts.provenance,
        predictions_hash=facts.predictions_hash,
        evaluation=facts.evaluation,
        label_version=job.snapshot_version or 0,
        stale=job.snapshot_stale,
    )
    session.add(model)
    session.flush()
    return model
