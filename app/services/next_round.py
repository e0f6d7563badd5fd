"""Begins the next round by hand, before the batch is fully labeled."""

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import jobs, projects, rounds
from app.db.tables import Project, Round
from app.domain.errors import BudgetSpent, NoNewLabels, ProjectNotAccepting, RoundNotEndable
from app.domain.states import ProjectState, RoundState
from app.domain.triggers import EndReason
from app.services.budget import n_next_batch
from app.services.leases import release_expired
from app.services.lifecycle import end_round
from app.services.rounds import create_next_round


def begin_next_round(session: Session, project_id: int, settings: Settings) -> Round:
    """End the round that is being labeled and create the next one; `stop_when` is not asked.

    If several callers and the last label race, exactly one creates it; the others are refused.

    Raises:
        ProjectNotAccepting: the project is not running.
        RoundNotEndable: no round is being labeled.
        NoNewLabels: no label has been given, revised or imported since the round's selection.
        BudgetSpent: nothing is left for another batch.
    """
    project = projects.lock(session, project_id)
    if project.state != ProjectState.RUNNING:
        raise ProjectNotAccepting(
            f"Project {project_id} is {project.state}; rounds follow one another only while it is "
            "running."
        )
    release_expired(session, project, settings)
    round_ = _require_labeling(session, project)
    _require_news(session, project, round_)
    end_round(session, round_, EndReason.BY_HAND)
    n_next = n_next_batch(session, project)
    if n_next == 0:
        raise BudgetSpent(
            f"Of the total budget of {project.total_budget} items nothing is left for another "
            "batch, or no item is left to select. Raise total_budget, import items, or finish the "
            "project."
        )
    return create_next_round(session, project, n_next, settings.job_max_attempts)


def _require_labeling(session: Session, project: Project) -> Round:
    latest = rounds.latest(session, project.id)
    if latest is None or latest.state == RoundState.COMPLETED:
        raise RoundNotEndable(
            "No round is being labeled: the rest of the budget is in the hands of annotators. "
            "Wait for their labels, raise total_budget, or finish the project."
        )
    if latest.state != RoundState.LABELING:
        what = "retry it" if latest.state == RoundState.FAILED else "wait until its batch is out"
        raise RoundNotEndable(f"Round {latest.number} is {latest.state}; {what}.")
    return latest


def _require_news(session: Session, project: Project, round_: Round) -> None:
    job = jobs.newest_of_round(session, round_.id)
    seen = 0 if job is None or job.snapshot_version is None else job.snapshot_version
    if project.label_version == seen:
        raise NoNewLabels(
            f"No label has changed since round {round_.number} was selected, so the next round "
            "would train on the same. Label some items first."
        )
