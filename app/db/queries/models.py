"""Statements on trained models and on the labels that they have seen."""

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.db.tables import Job, Model, ModelRole, Round
from app.domain.states import LIVE_JOB_STATES, JobState


def list_all(session: Session, project_id: int) -> Sequence[Model]:
    """Return every model of the project, oldest first."""
    return session.scalars(
        select(Model).where(Model.project_id == project_id).order_by(Model.id)
    ).all()


def get(session: Session, project_id: int, model_id: int) -> Model | None:
    """Return one model of the project."""
    return session.scalar(select(Model).where(Model.project_id == project_id, Model.id == model_id))


def newest_proxy(session: Session, project_id: int) -> Model | None:
    """Return the proxy of the project's latest round that trained one."""
    return session.scalar(
        select(Model)
        .where(Model.project_id == project_id, Model.role == ModelRole.PROXY)
        .order_by(Model.id.desc())
        .limit(1)
    )


def snapshot_of_proxy(session: Session, model_id: int) -> str:
    """Return the artifact's hash of the snapshot that a round's proxy was trained on."""
    snapshot_hash = session.scalars(
        select(Job.snapshot_hash)
        .join(Round, Round.id == Job.round_id)
        .where(
            Round.model_id == model_id,
            Job.state == JobState.SUCCEEDED,
            Job.snapshot_hash.is_not(None),
        )
        .order_by(Job.id.desc())
        .limit(1)
    ).one()
    return str(snapshot_hash)


def mark_stale(session: Session, project_id: int, label_version: int) -> None:
    """Mark models that learned this version's answer as stale, and jobs that train on it."""
    session.execute(
        update(Model)
        .where(Model.project_id == project_id, Model.label_version >= label_version)
        .values(stale=True)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(Job)
        .where(
            Job.project_id == project_id,
            Job.state.in_(LIVE_JOB_STATES),
            Job.snapshot_version >= label_version,
        )
        .values(snapshot_stale=True)
        .execution_options(synchronize_session=False)
    )
