"""A project's way through its states: start, pause, resume, rounds, finish, cancel.

Every function expects to be the first to lock the project in its transaction; the caller commits.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import func
from sqlalchemy.orm import Session

from app.db.queries import batches, events, gold, labels, leases, projects, rounds, set_aside
from app.db.queries import jobs as job_queries
from app.db.tables import JobKind, Project, Round
from app.domain.errors import (
    NothingToTrainOn,
    ProjectNotAccepting,
    ProjectNotStartable,
    TransitionNotAllowed,
)
from app.domain.json_fields import from_json
from app.domain.states import JobState, ProjectState, RoundState, may_follow
from app.domain.triggers import EndReason, Trigger
from app.services.advice import reasons_to_stop
from app.services.budget import budget_state, n_next_batch, n_selectable
from app.services.rounds import create_job, create_next_round, plan_round
from app.services.transitions import set_job_state, set_project_state, set_round_state
from selection.options import SelectionOptions

POOL_USED_UP = "project.pool_used_up"


LEASES_FREED = "leases_freed"  # in which transaction, and of which project
HELD_BACK = "held_back"


def start_project(session: Session, project_id: int, max_attempts: int = 3) -> Project:
    """Start a draft project: create round 0 and its job.

    Raises:
        ProjectNotStartable: the pool is empty or smaller than a budget.
        TransitionNotAllowed: the project was started before.
    """
    project = projects.lock(session, project_id)
    if project.state == ProjectState.DRAFT:
        _check_startable(project)
    set_project_state(session, project, ProjectState.RUNNING)
    advance(session, project, max_attempts)
    return project


def _check_startable(project: Project) -> None:
    unlabeled = project.n_pool - project.n_imported
    if unlabeled <= 0:
        raise ProjectNotStartable(
            "The pool holds no item without a label. Import items before the start."
        )
    check_brought_features(project)
    for field in ("initial_budget", "total_budget"):
        if getattr(project, field) > unlabeled:
            raise ProjectNotStartable(
                f"{field} is {getattr(project, field)} but the pool holds only {unlabeled} items "
                "without a label. Import more items, or create the project with a smaller budget."
            )


def check_brought_features(project: Project) -> None:
    """Check that the pool has the features that the project's selection options use.

    Raises:
        ProjectNotStartable: they were not brought for every item.
    """
    needs_features = from_json(SelectionOptions, project.selection).needs_brought_features
    if needs_features and project.n_featured != project.n_pool:
        raise ProjectNotStartable(
            f"The selection options use brought features; {project.n_featured} of "
            f"{project.n_pool} pool items have them. PUT them to /projects/{project.id}/features: "
            "a row for each pool item, in import order."
        )


def pause_project(session: Session, project_id: int) -> Project:
    """Pause: nothing is leased, late labels are taken, running jobs end."""
    project = projects.lock(session, project_id)
    set_project_state(session, project, ProjectState.PAUSED)
    return project


def resume_project(session: Session, project_id: int, max_attempts: int = 3) -> Project:
    """Resume a paused project; a round that was completed meanwhile is followed by the next.

    Raises:
        TransitionNotAllowed: the project is not paused.
    """
    project = projects.lock(session, project_id)
    if project.state == ProjectState.DRAFT:
        raise TransitionNotAllowed(
            f"Project {project_id}", "draft", "running by resume", ["running by start"]
        )
    set_project_state(session, project, ProjectState.RUNNING)
    advance(session, project, max_attempts)
    return project


def finish_project(session: Session, project_id: int, max_attempts: int = 3) -> Project:
    """End labeling now and train the target on the labels so far.

    Where every item was skipped or set aside there are none: the project ends without a target.

    Raises:
        ProjectNotAccepting: no item is labeled yet, and some can be.
        NothingToTrainOn: no labeled item can be read.
        TransitionNotAllowed: the project is neither running nor paused.
    """
    project = projects.lock(session, project_id)
    if project.state == ProjectState.PAUSED:
        set_project_state(session, project, ProjectState.RUNNING, reason="finish")
    if project.state == ProjectState.RUNNING and project.n_labeled + project.n_imported == 0:
        free_expired(session, project)
        if is_pool_used_up(session, project):
            set_project_state(session, project, ProjectState.FINISHED, reason="pool used up")
            project.finished_at = func.now()
            _end_labeling(session, project)
            return project
        raise ProjectNotAccepting(
            "No item is labeled yet, so there is nothing to train the target on. Label some "
            "items first, or cancel the project."
        )
    if project.state == ProjectState.RUNNING and not labels.n_classes_resolved(session, project.id):
        raise NothingToTrainOn(project.id)
    _train_target(session, project, max_attempts, {"reason": "finish"})
    return project


def reopen_project(session: Session, project_id: int) -> Project:
    """Reopen a finished project and return it, paused: it takes items and other settings.

    Resumed, it selects again as far as its total budget allows, and then trains the target again.

    Raises:
        TransitionNotAllowed: the project is not finished.
    """
    project = projects.lock(session, project_id)
    if project.state != ProjectState.FINISHED:
        allowed = may_follow(ProjectState(project.state))
        raise TransitionNotAllowed(
            f"Project {project_id}", project.state, "paused by reopen", allowed
        )
    set_project_state(session, project, ProjectState.PAUSED, reason="reopened")
    project.finished_at = None
    project.stop_reasons = None  # checked again
    return project


def cancel_project(session: Session, project_id: int) -> Project:
    """Cancel for good: jobs are taken from their workers, open items withdrawn, labels kept."""
    project = projects.lock(session, project_id)
    set_project_state(session, project, ProjectState.CANCELLED)
    _end_labeling(session, project)
    for job in job_queries.live_of_project(session, project.id):
        set_job_state(session, job, JobState.CANCELLED)
    return project


def advance(session: Session, project: Project, max_attempts: int) -> None:
    """Advance a running project as far as its labels allow; idempotent.

    Ends the live round if its batch is labeled or its trigger fires, then creates the next round
    and its job, or the target's job when the budget is spent or `stop_when` holds. Expired leases
    are freed first: the next batch has room for their items.
    """
    if project.state != ProjectState.RUNNING or session.info.get(HELD_BACK):
        return
    free_expired(session, project)
    round_ = rounds.live(session, project.id)
    if round_ is not None:
        reason = _end_reason(session, project, round_)
        if reason is None:
            return
        end_round(session, round_, reason)
    n_next = n_next_batch(session, project)
    stop = _decided_to_stop(session, project, n_next)
    if n_next > 0 and not stop:
        create_next_round(session, project, n_next, max_attempts)
        return
    if stop:  # items that nobody holds are no longer handed out
        batches.withdraw_uncommitted(session, project.id)
    budget = budget_state(session, project)
    if budget.committed > 0:
        return
    if project.n_labeled + project.n_imported == 0:
        _tell_pool_used_up(session, project)
        return
    facts: dict[str, object] = {"reason": "budget spent"}
    if stop:
        facts = {"reason": "stop_when", "because": stop}
    elif budget.left_for_batch > 0:
        facts = {"reason": "pool used up"}
    _train_target(session, project, max_attempts, facts)


@contextmanager
def holding_back(session: Session) -> Iterator[None]:
    """Let no project advance meanwhile: answers that came together are taken together.

    The caller lets it advance afterwards, in the same transaction.
    """
    session.info[HELD_BACK] = True
    try:
        yield
    finally:
        del session.info[HELD_BACK]


def is_pool_used_up(session: Session, project: Project) -> bool:
    """Return whether a running project has nothing to train on, and nothing left to label."""
    return (
        project.state == ProjectState.RUNNING
        and rounds.live(session, project.id) is None
        and budget_state(session, project).committed == 0
        and n_next_batch(session, project) == 0
    )


def _tell_pool_used_up(session: Session, project: Project) -> None:
    """Append the event, once for the present pool."""
    facts = {
        "n_pool": project.n_pool,
        "n_skipped": project.n_skipped,
        "n_set_aside": set_aside.n_unselectable(session, project.id),
    }
    if events.newest_facts(session, project.id, POOL_USED_UP) != facts:
        events.append(session, project.id, POOL_USED_UP, facts)


def free_expired(session: Session, project: Project) -> int:
    """Free the project's expired leases; return how many. The reserve among them may be withdrawn.

    The database is asked once in a transaction, whose time stands still.
    """
    if session.info.get(LEASES_FREED) == (session.get_transaction(), project.id):
        return 0
    none_expired(session, project)
    n_freed = leases.free_expired_leases(session, project.id)
    if n_freed:
        batches.withdraw_earlier(session, project.id)
    return n_freed


def none_expired(session: Session, project: Project) -> None:
    """Note that no lease of the project has expired, so that this transaction asks no more."""
    session.info[LEASES_FREED] = (session.get_transaction(), project.id)


def _decided_to_stop(session: Session, project: Project, n_next: int) -> list[str]:
    """Return why labeling ends by `stop_when`; [] = it continues.

    Decided once: labels that arrive while the last leases run change nothing. Without a label there
    is nothing to train on, so labeling continues.
    """
    if project.n_labeled + project.n_imported == 0:
        return []
    if project.stop_reasons is None and n_next > 0:
        project.stop_reasons = reasons_to_stop(session, project, n_next) or None
        if project.stop_reasons:
            facts = {"because": project.stop_reasons}
            events.append(session, project.id, "project.stop_decided", facts)
    return project.stop_reasons or []


def _end_reason(session: Session, project: Project, round_: Round) -> EndReason | None:
    """Return why the live round ends now, or None if it continues."""
    if round_.state != RoundState.LABELING:
        return None
    if not batches.has_open_batch(session, project.id):
        return EndReason.BATCH_LABELED
    trigger = from_json(Trigger, round_.settings["trigger"])
    if not trigger.may_end_early:
        return None
    reason = trigger.reason(rounds.progress(session, project, round_))
    return reason if reason and _is_worth_ending(session, project) else None


def _is_worth_ending(session: Session, project: Project) -> bool:
    """Return whether a round may end early: the next one could train, and brings new items.

    The last batch of a budget is labeled to its end; otherwise ever smaller rounds would follow.
    """
    budget = budget_state(session, project)
    n_left = min(budget.left_for_batch, n_selectable(session, project, budget))
    return n_left > budget.open_batch and plan_round(session, project).strategy == project.strategy


def end_round(session: Session, round_: Round, reason: EndReason) -> None:
    """Complete a round in labeling.

    The rest of its batch becomes reserve: leases stay valid, labels given so far count, and
    annotators have work until the next round is published, which withdraws items nobody holds.
    """
    n_left = batches.keep_as_reserve(session, round_.id)
    round_.completed_at = func.now()
    set_round_state(session, round_, RoundState.COMPLETED, reason=reason, n_left=n_left)


def _train_target(
    session: Session, project: Project, max_attempts: int, facts: Mapping[str, object]
) -> None:
    set_project_state(session, project, ProjectState.TRAINING_TARGET, **facts)
    _end_labeling(session, project)
    create_job(session, project, JobKind.TRAIN_TARGET, None, max_attempts)


def _end_labeling(session: Session, project: Project) -> None:
    round_ = rounds.live(session, project.id)
    if round_ is not None:
        set_round_state(session, round_, RoundState.CANCELLED)
    for job in job_queries.live_of_project(session, project.id):
        if not job.is_aside:
            set_job_state(session, job, JobState.CANCELLED)
    batches.withdraw_all_open(session, project.id)
    gold.release_project(session, project.id)
