"""Statements on trained models, and on which labels they have seen."""

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.db.tables import Job, Model, ModelRole
from app.domain.states import LIVE_JOB_STATES


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


def mark_stale(session: Session, project_id: int, label_version: int) -> None:
    """Mark what has seen the answer of this version: trained models, and jobs that train now."""
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
