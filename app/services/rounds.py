"""Creates rounds and jobs: fixes a round's settings and chooses its strategy.

Every function expects that the project's row is locked.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session
from structlog.contextvars import get_contextvars

from app.db.queries import events, labels, rounds
from app.db.session import wake_after_commit
from app.db.tables import Analysis, CoreSet, Import, Job, JobKind, LabelExport, Project, Round
from app.domain.json_fields import from_json
from app.domain.states import JobState, RoundState
from app.domain.strategy import cold_start_of, strategy_of_round
from app.services.transitions import set_round_state
from selection.options import SelectionOptions, needs_proxy

QUEUES = {
    JobKind.SELECT: "cpu",
    JobKind.TRAIN_AND_SELECT: "gpu",
    JobKind.TRAIN_TARGET: "gpu",
    JobKind.SELECT_CORE_SET: "gpu",
    JobKind.ANALYZE: "gpu",
    JobKind.IMPORT: "cpu",
    JobKind.EXPORT_LABELS: "cpu",
    JobKind.PACK: "gpu",  # on the machine that trains on what is packed
}


@dataclass(frozen=True)
class RoundPlan:
    """A round's plan: `strategy` may be a cold start's; `trains` says to train a proxy first."""

    strategy: str
    trains: bool
    n_classes_labeled: int


def plan_round(session: Session, project: Project) -> RoundPlan:
    """Return how a round that is created now is selected."""
    n_classes = labels.n_classes_resolved(session, project.id)
    options = from_json(SelectionOptions, project.selection)
    strategy = strategy_of_round(
        project.strategy,
        needs_model=needs_proxy(project.strategy, options),
        n_classes_labeled=n_classes,
        cold_start=cold_start_of(project.strategy, options.cold_start),
    )
    # A cold start uses brought features, whatever later rounds use.
    trains = n_classes >= 2 and needs_proxy(strategy, options)
    return RoundPlan(strategy, trains, n_classes)


def create_next_round(session: Session, project: Project, budget: int, max_attempts: int) -> Round:
    """Create the round after the latest, with its job; it keeps the project's present settings."""
    last = rounds.latest(session, project.id)
    plan = plan_round(session, project)
    round_ = Round(
        project_id=project.id,
        number=0 if last is None else last.number + 1,
        state=RoundState.TRAINING if plan.trains else RoundState.SELECTING,
        budget=budget,
        **_settings_of_round(project, plan),
    )
    session.add(round_)
    session.flush()
    _record_plan(session, project, round_, plan)
    facts = {"round": round_.number, "strategy": plan.strategy}
    events.append(session, project.id, "round.created", facts)
    create_job(session, project, _job_kind(plan), round_, max_attempts)
    return round_


def create_job_again(
    session: Session, project: Project, round_: Round, max_attempts: int, *, did_train: bool
) -> Job:
    """Send a failed round back to work with the project's present settings, and a new job.

    The cause may be a setting that was changed since. The round goes back to where it failed,
    unless only one of the old and new settings needs a training.

    Args:
        session: in a transaction that holds the project's lock.
        project: whose settings count.
        round_: that failed.
        max_attempts: of the new job.
        did_train: whether the failed job was to train a proxy.
    """
    plan = plan_round(session, project)
    state = RoundState(round_.failed_in or RoundState.SELECTING)
    if plan.trains != did_train:
        state = RoundState.TRAINING if plan.trains else RoundState.SELECTING
    for name, value in _settings_of_round(project, plan).items():
        setattr(round_, name, value)
    set_round_state(session, round_, state, reason="retry")
    _record_plan(session, project, round_, plan)
    return create_job(session, project, _job_kind(plan), round_, max_attempts)


def _settings_of_round(project: Project, plan: RoundPlan) -> dict[str, Any]:
    kept = {name: getattr(project, name) for name in ("proxy", "selection", "trigger")}
    return {"strategy": plan.strategy, "settings": kept}


def _record_plan(session: Session, project: Project, round_: Round, plan: RoundPlan) -> None:
    if plan.strategy != project.strategy:
        facts = {
            "round": round_.number,
            "strategy": plan.strategy,
            "n_classes_labeled": plan.n_classes_labeled,
        }
        events.append(session, project.id, "round.strategy_replaced", facts)


def _job_kind(plan: RoundPlan) -> JobKind:
    return JobKind.TRAIN_AND_SELECT if plan.trains else JobKind.SELECT


def create_job(
    session: Session,
    project: Project,
    kind: JobKind,
    cause: Round | CoreSet | Analysis | Import | LabelExport | None,
    max_attempts: int,
) -> Job:
    """Insert a queued job and remember its wake-up for after the commit.

    `cause` is the round, the core-set, the analysis, the import or the export that the job is for;
    None for the target and for packing.
    """
    job = Job(
        project_id=project.id,
        round_id=cause.id if isinstance(cause, Round) else None,
        core_set_id=cause.id if isinstance(cause, CoreSet) else None,
        analysis_id=cause.id if isinstance(cause, Analysis) else None,
        import_id=cause.id if isinstance(cause, Import) else None,
        label_export_id=cause.id if isinstance(cause, LabelExport) else None,
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
