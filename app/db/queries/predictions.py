"""Statements on predictions that are asked for now."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from app.db.tables import Model, PredictionRequest


def newest_model(session: Session, project_id: int) -> Model | None:
    """Return the model of the project that was trained last, proxy or target."""
    return session.scalar(
        select(Model).where(Model.project_id == project_id).order_by(Model.id.desc()).limit(1)
    )


def add(session: Session, model_id: int, contents: Sequence[bytes], top: int) -> UUID:
    """Ask for predictions of contents; return the request's id."""
    return session.execute(
        insert(PredictionRequest)
        .values(model_id=model_id, contents=list(contents), top=top)
        .returning(PredictionRequest.id)
    ).scalar_one()


def answer_of(session: Session, request_id: UUID) -> dict[str, Any] | None:
    """Return the answer to a request, as soon as there is one."""
    return session.scalar(
        select(PredictionRequest.answer).where(PredictionRequest.id == request_id)
    )


def remove(session: Session, request_id: UUID) -> None:
    """Remove a request: its asker has the answer, or waits no longer."""
    session.execute(delete(PredictionRequest).where(PredictionRequest.id == request_id))


def call(session: Session, waited_seconds: float, again_seconds: float) -> bool:
    """Note that this worker starts what predicts; False: nobody waits, or another has begun to.

    Args:
        session: in a transaction.
        waited_seconds: how long a request waits for what runs already.
        again_seconds: after how long another worker tries it.
    """
    waiting = (
        select(PredictionRequest.id)
        .where(
            PredictionRequest.claimed_at.is_(None),
            PredictionRequest.created_at <= func.now() - timedelta(seconds=waited_seconds),
        )
        .order_by(PredictionRequest.created_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .cte("waiting")
    )
    called = session.execute(
        update(PredictionRequest)
        .where(
            PredictionRequest.id == waiting.c.id,
            or_(
                PredictionRequest.called_at.is_(None),
                PredictionRequest.called_at <= func.now() - timedelta(seconds=again_seconds),
            ),
        )
        .values(called_at=func.now())
        .returning(PredictionRequest.id)
    )
    return called.first() is not None


def claim(session: Session) -> tuple[PredictionRequest, Model] | None:
    """Claim the oldest request that waits; return it with its model."""
    oldest = (
        select(PredictionRequest.id)
        .where(PredictionRequest.claimed_at.is_(None))
        .order_by(PredictionRequest.created_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .cte("oldest")
    )
    request = session.scalar(
        update(PredictionRequest)
        .where(PredictionRequest.id == oldest.c.id)
        .values(claimed_at=func.now())
        .returning(PredictionRequest)
    )
    if request is None:
        return None
    return request, session.get_one(Model, request.model_id)


def answer(session: Session, request_id: UUID, found: dict[str, Any]) -> None:
    """Answer a request, if its asker still waits."""
    session.execute(
        update(PredictionRequest).where(PredictionRequest.id == request_id).values(answer=found)
    )


def forget_old(session: Session, seconds: float) -> None:
    """Remove requests whose asker has gone without a word."""
    session.execute(
        delete(PredictionRequest).where(
            PredictionRequest.created_at < func.now() - timedelta(seconds=seconds)
        )
    )
