"""The only setters of states: each checks the transition table and writes the event."""

from sqlalchemy import func
from sqlalchemy.orm import Session

from app.db.queries import events
from app.db.tables import Job, Project, Round
from app.domain.states import (
    JobState,
    ProjectState,
    RoundState,
    check_transition,
)


def set_project_state(
    session: Session, project: Project, new: ProjectState, **facts: object
) -> None:
    """Set the project's state and append its event.

    Raises:
        TransitionNotAllowed: the table does not allow it.
    """
    old = ProjectState(project.state)
    check_transition(f"Project {project.id}", old, new)
    project.state = new
    events.append(session, project.id, "project.state_changed", {"from": old, "to": new, **facts})


def set_round_state(session: Session, round_: Round, new: RoundState, **facts: object) -> None:
    """Set the round's state and append its event.

    Raises:
        TransitionNotAllowed: the table does not allow it.
    """
    old = RoundState(round_.state)
    check_transition(f"Round {round_.number}", old, new)
    round_.state = new
    if new is RoundState.FAILED:
        round_.failed_in = old
    events.append(
        session,
        round_.project_id,
        "round.state_changed",
        {"round": round_.number, "from": old, "to": new, **facts},
    )


def set_job_state(session: Session, job: Job, new: JobState, **facts: object) -> None:
    """Set the job's state and append its event; leaving `running` takes the fence away.

    Raises:
        TransitionNotAllowed: the table does not allow it.
    """
    old = JobState(job.state)
    check_transition(f"Job {job.id}", old, new)
    job.state = new
    job.token = None
    job.lease_until = None
    if new is not JobState.QUEUED:
        job.finished_at = func.now()
    record_job_state(session, job, old, new, **facts)


def record_job_state(
    session: Session, job: Job, old: JobState, new: JobState, **facts: object
) -> None:
    """Append the event of a job's change; a claim changes its row in one UPDATE of its own."""
    events.append(
        session,
        job.project_id,
        "job.state_changed",
        {"job": job.id, "kind": job.kind, "from": old, "to": new, **facts},
    )
