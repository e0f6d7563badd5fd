"""Statements on rounds."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Double, bindparam, cast, extract, func, select
from sqlalchemy.orm import Session

from app.db.tables import BatchItem, BatchSource, Item, Project, ResolvedLabel, Round
from app.domain.learning_curve import Share
from app.domain.states import LIVE_ROUND_STATES, BatchItemState, ProjectState, RoundState
from app.domain.triggers import RoundProgress

# Built once: every poll and every label asks these, and building takes longer than answering.
_OF_PROJECT = select(Round).where(Round.project_id == bindparam("project_id"))
_LIVE = _OF_PROJECT.where(Round.state.in_(LIVE_ROUND_STATES))
_NEWEST_PUBLISHED = (
    _OF_PROJECT.where(Round.labeling_at.is_not(None)).order_by(Round.number.desc()).limit(1)
)
_LATEST = _OF_PROJECT.order_by(Round.number.desc()).limit(1)


def live(session: Session, project_id: int) -> Round | None:
    """Return the project's live round; the database allows only one."""
    return session.scalar(_LIVE, {"project_id": project_id})


def latest(session: Session, project_id: int) -> Round | None:
    """Return the project's round of the highest number."""
    return session.scalar(_LATEST, {"project_id": project_id})


def newest_published(session: Session, project_id: int) -> Round | None:
    """Return the newest round whose batch and reserve were handed out."""
    return session.scalar(_NEWEST_PUBLISHED, {"project_id": project_id})


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
    """Return up to `limit` items that the round selected, ranked after `after_rank`.

    None before the round is published: what lies there may still change.
    """
    rows = session.execute(
        select(BatchItem, Item)
        .join(Item, Item.id == BatchItem.item_id)
        .join(Round, Round.id == BatchItem.round_id)
        .where(
            BatchItem.round_id == round_id,
            BatchItem.rank > after_rank,
            Round.labeling_at.is_not(None),
        )
        .order_by(BatchItem.rank)
        .limit(limit)
    )
    return [(batch_item, item) for batch_item, item in rows]


def progress(session: Session, project: Project, round_: Round) -> RoundProgress:
    """Return how far the labeling of a published round is; time by the database's clock."""
    n_labeled, n_open = session.execute(
        select(
            func.count().filter(BatchItem.state == BatchItemState.LABELED),
            func.count().filter(BatchItem.state == BatchItemState.OPEN),
        ).where(BatchItem.round_id == round_.id, BatchItem.source == BatchSource.BATCH)
    ).one()
    seconds = session.scalar(
        select(extract("epoch", func.now() - Round.labeling_at)).where(Round.id == round_.id)
    )
    return RoundProgress(
        n_labeled=n_labeled,
        n_open=n_open,
        n_new_labels=project.n_labeled + project.n_imported - (round_.n_labeled or 0),
        seconds=float(seconds or 0),
    )


def projects_due_by_time(session: Session) -> list[int]:
    """Return the running projects whose round has been labeled for as long as its trigger says."""
    after = cast(Round.settings["trigger"]["retrain_after_seconds"].astext, Double)
    return list(
        session.scalars(
            select(Round.project_id)
            .join(Project, Project.id == Round.project_id)
            .where(
                Project.state == ProjectState.RUNNING,
                Round.state == RoundState.LABELING,
                Round.labeling_at + after * timedelta(seconds=1) <= func.now(),
            )
            .order_by(Round.project_id)
        )
    )


def newest_with_predictions(session: Session, project_id: int, before: int) -> Round | None:
    """Return the newest round below this number whose proxy's predictions are stored."""
    return session.scalar(
        select(Round)
        .where(
            Round.project_id == project_id,
            Round.number < before,
            Round.predictions_hash.is_not(None),
        )
        .order_by(Round.number.desc())
        .limit(1)
    )


def control_shares(session: Session, project_id: int) -> dict[int, Share]:
    """Return round id -> how many of its labeled control items its proxy had predicted right.

    The proxy predicted them before it, or any other, was trained on them.
    """
    is_right = ResolvedLabel.class_index == BatchItem.suggestion_class
    rows = session.execute(
        select(BatchItem.round_id, func.count().filter(is_right), func.count())
        .join(ResolvedLabel, ResolvedLabel.item_id == BatchItem.item_id)
        .where(
            BatchItem.project_id == project_id,
            BatchItem.state == BatchItemState.LABELED,
            BatchItem.is_control,
            BatchItem.suggestion_class.is_not(None),
        )
        .group_by(BatchItem.round_id)
    )
    return {round_id: Share(n_right, n) for round_id, n_right, n in rows}
