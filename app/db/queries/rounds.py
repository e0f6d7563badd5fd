"""Statements on rounds."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import BatchItem, Item, Round
from app.domain.states import LIVE_ROUND_STATES


def live(session: Session, project_id: int) -> Round | None:
    """Return the project's live round; the database allows only one."""
    return session.scalar(
        select(Round).where(Round.project_id == project_id, Round.state.in_(LIVE_ROUND_STATES))
    )


def latest(session: Session, project_id: int) -> Round | None:
    """Return the project's round of the highest number."""
    return session.scalar(
        select(Round).where(Round.project_id == project_id).order_by(Round.number.desc()).limit(1)
    )


def newest_published_id(session: Session, project_id: int) -> int | None:
    """Return the id of the newest round whose batch and reserve were handed out."""
    round_ = newest_published(session, project_id)
    return round_.id if round_ else None


def newest_published(session: Session, project_id: int) -> Round | None:
    """Return the newest round whose batch and reserve were handed out."""
    return session.scalar(
        select(Round)
        .where(Round.project_id == project_id, Round.labeling_at.is_not(None))
        .order_by(Round.number.desc())
        .limit(1)
    )


def get(session: Session, project_id: int, number: int) -> Round | None:
    """Return one round by its number."""
    return session.scalar(
        select(Round).where(Round.project_id == project_id, Round.number == number)
    )


def list_all(session: Session, project_id: int) -> Sequence[Round]:
    """Return every round of the project in order."""
    return session.scalars(
        select(Round).where(Round.project_id == project_id).order_by(Round.number)
    ).all()


def ranked_page(
    session: Session, round_id: int, after_rank: int, limit: int
) -> list[tuple[BatchItem, Item]]:
    """Return up to `limit` items that the round selected, ranked after `after_rank`."""
    rows = session.execute(
        select(BatchItem, Item)
        .join(Item, Item.id == BatchItem.item_id)
        .where(BatchItem.round_id == round_id, BatchItem.rank > after_rank)
        .order_by(BatchItem.rank)
        .limit(limit)
    )
    return [(batch_item, item) for batch_item, item in rows]
