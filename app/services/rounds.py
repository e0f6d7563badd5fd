"""The course of a project: start, rounds one after the other, the target, and the ways to stop.

Every function expects to be the first to lock the project in its transaction; the caller commits.
"""

from sqlalchemy.orm import Session
from structlog.contextvars import get_contextvars

from app.db.queries import batches, events, labels, projects, rounds
from app.db.queries import jobs as job_queries
from app.db.session import wake_after_commit
from app.db.tables import Coreset, Job, JobKind, Project, Round
from app.domain.budget import BudgetState, next_batch_budget
from app.domain.errors import ProjectNotAccepting, ProjectNotStartable, TransitionNotAllowed
from app.domain.states import JobState, ProjectState, RoundState
from app.domain.strategy import strategy_of_round
from app.services.transitions import set_job_state, set_project_state, set_round_state
from selection.options import needs_proxy, options_from_json

QUEUES = {
    JobKind.SELECT: "cpu",
    JobKind.TRAIN_AND_SELECT: "gpu",
    JobKind.TRAIN_TARGET: "gpu",
    JobKind.SELECT_CORESET: "gpu",
}


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
    needs_features = options_from_json(project.selection).needs_brought_features
    if needs_features and project.n_featured != project.n_pool:
        raise ProjectNotStartable(
            f"The selection options use brought features; {project.n_featured} of "
            f"{project.n_pool} pool items have them. PUT them to /projects/{project.id}/features: "
            "a row for each pool item, in import order."
        )
    for field in ("initial_budget", "total_budget"):
        if getattr(project, field) > unlabeled:
            raise ProjectNotStartable(
                f"{field} is {getattr(project, field)} but the pool holds only {unlabeled} items "
                "without a label. Import more items, or create the project with a smaller budget."
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
    """End labeling now and train the target on the labels at hand.

    Raises:
        ProjectNotAccepting: no item is labeled yet.
        TransitionNotAllowed: the project is neither running nor paused.
    """
    project = projects.lock(session, project_id)
    if project.state == ProjectState.PAUSED:
        set_project_state(session, project, ProjectState.RUNNING, reason="finish")
    if project.state == ProjectState.RUNNING and project.n_labeled + project.n_imported == 0:
        raise ProjectNotAccepting(
            "No item is labeled yet, so there is nothing to train the target on. Label some "
            "items first, or cancel the project."
        )
    _train_target(session, project, max_attempts, reason="finish")
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
    """Bring a running project forward as far as its labels allow; idempotent.

    Completes the live round if nothing of its batch is open, then creates the next round and its
    job, or the target's job when the budget is spent. Expects expired leases to be freed.
    """
    if project.state != ProjectState.RUNNING:
        return
    round_ = rounds.live(session, project.id)
    if round_ is not None:
        if round_.state != RoundState.LABELING or batches.has_open_batch(session, project.id):
            return
        set_round_state(session, round_, RoundState.COMPLETED)
    budget = budget_state(session, project)
    last = rounds.latest(session, project.id)
    wanted = project.initial_budget if last is None else project.round_budget
    n_next = next_batch_budget(wanted, budget, n_selectable(project, budget))
    if n_next > 0:
        number = 0 if last is None else last.number + 1
        _create_round(session, project, number, n_next, max_attempts)
    elif budget.committed == 0 and project.n_labeled + project.n_imported > 0:
        _train_target(session, project, max_attempts, reason="budget spent")


def budget_state(session: Session, project: Project) -> BudgetState:
    """Return what the project's budget looks like now; expects expired leases to be freed."""
    counts = batches.open_counts(session, project.id)
    return BudgetState(
        total=project.total_budget,
        labeled=project.n_labeled,
        committed=counts.committed,
        open_batch=counts.batch,
    )


def n_selectable(project: Project, budget: BudgetState) -> int:
    """Return how many pool items a selection may choose from."""
    taken = project.n_labeled + project.n_imported + project.n_skipped + budget.committed
    return max(0, project.n_pool - taken)


def _create_round(
    session: Session, project: Project, number: int, budget: int, max_attempts: int
) -> None:
    n_classes = labels.n_classes_resolved(session, project.id)
    options = options_from_json(project.selection)
    strategy = strategy_of_round(
        project.strategy,
        needs_model=needs_proxy(project.strategy, options),
        n_classes_labeled=n_classes,
        cold_start=options.cold_start,
    )
    if strategy != project.strategy:
        facts = {"round": number, "strategy": strategy, "n_classes_labeled": n_classes}
        events.append(session, project.id, "round.strategy_replaced", facts)
    # A cold start uses brought features, whatever later rounds use.
    trains = n_classes >= 2 and needs_proxy(strategy, options)
    round_ = Round(
        project_id=project.id,
        number=number,
        state=RoundState.TRAINING if trains else RoundState.SELECTING,
        strategy=strategy,
        budget=budget,
    )
    session.add(round_)
    session.flush()
    events.append(session, project.id, "round.created", {"round": number, "strategy": strategy})
    kind = JobKind.TRAIN_AND_SELECT if trains else JobKind.SELECT
    create_job(session, project, kind, round_, max_attempts)


def create_job(
    session: Session,
    project: Project,
    kind: JobKind,
    cause: Round | Coreset | None,
    max_attempts: int,
) -> Job:
    """Insert a queued job and remember its wake-up for after the commit.

    `cause` is the round or the core-set that the job is for; None for the target.
    """
    job = Job(
        project_id=project.id,
        round_id=cause.id if isinstance(cause, Round) else None,
        coreset_id=cause.id if isinstance(cause, Coreset) else None,
        kind=kind,
        queue=QUEUES[kind],
        state=JobState.QUEUED,
        max_attempts=max_attempts,
        request_id=get_contextvars().get("request_id"),
    )
    session.add(job)
    session.flush()
    wake_after_commit(session, job.id, job.queue)
    return job


def _train_target(session: Session, project: Project, max_attempts: int, *, reason: str) -> None:
    set_project_state(session, project, ProjectState.TRAINING_TARGET, reason=reason)
    _end_labeling(session, project)
    create_job(session, project, JobKind.TRAIN_TARGET, None, max_attempts)


def _end_labeling(session: Session, project: Project) -> None:
    round_ = rounds.live(session, project.id)
    if round_ is not None:
        set_round_state(session, round_, RoundState.CANCELLED)
    for job in job_queries.live_of_project(session, project.id):
        if job.coreset_id is None:
            set_job_state(session, job, JobState.CANCELLED)
    batches.withdraw_all_open(session, project.id)
