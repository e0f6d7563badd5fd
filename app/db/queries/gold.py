"""Statements on gold items and on annotators' answers to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    bindparam,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.db.queries.rows import is_one_of, table_of
from app.db.tables import GoldAnswer, GoldItem, Item, Label, PausedAnnotator, Round, SetAsideItem

IS_WAITING = (GoldAnswer.class_index.is_(None), GoldAnswer.skipped_at.is_(None))
_ANSWERS = (
    select(GoldAnswer, GoldItem)
    .join(GoldItem, GoldItem.item_id == GoldAnswer.item_id)
    .where(
        GoldAnswer.annotator_id == bindparam("annotator_id"),
        is_one_of(table_of(GoldAnswer).c.item_id, "item_ids"),
    )
    .execution_options(populate_existing=True)  # leasing goes past loaded rows
)
_HELD = (
    select(GoldAnswer)
    .where(
        GoldAnswer.project_id == bindparam("project_id"),
        GoldAnswer.annotator_id == bindparam("annotator_id"),
        GoldAnswer.leased_until > func.now(),
        *IS_WAITING,
    )
    .order_by(GoldAnswer.item_id)
    .execution_options(populate_existing=True)
)
_HELD_OF_ITEMS = _HELD.where(is_one_of(table_of(GoldAnswer).c.item_id, "item_ids"))


@dataclass(frozen=True)
class GoldScore:
    """An annotator's score on gold since they were last resumed."""

    n_answers: int = 0
    n_right: int = 0


@dataclass(frozen=True)
class GoldSummary:
    """A gold item and how often it was answered rightly."""

    item: Item
    class_index: int
    n_answers: int
    n_right: int


_HIDES = select(
    or_(
        exists().where(GoldAnswer.project_id == bindparam("project_id")),
        exists().where(
            Round.project_id == bindparam("project_id"),
            cast(Round.settings["selection"]["control_fraction"].astext, Double) > 0,
        ),
    )
)


def was_handed_out_or_control(session: Session, project_id: int) -> bool:
    """Return whether anybody was ever handed gold, or a round drew a control arm."""
    return bool(session.scalar(_HIDES, {"project_id": project_id}))


def is_theirs(session: Session, project_id: int, annotator_id: int, item_id: int) -> bool:
    """Return whether the annotator holds the gold item or has answered or skipped it."""
    answer = session.scalar(
        select(GoldAnswer.item_id).where(
            GoldAnswer.project_id == project_id,
            GoldAnswer.annotator_id == annotator_id,
            GoldAnswer.item_id == item_id,
            or_(GoldAnswer.leased_until > func.now(), *[~waits for waits in IS_WAITING]),
        )
    )
    return answer is not None


def known(session: Session, item_ids: Sequence[int]) -> dict[int, GoldItem]:
    """Return item id -> gold item, of those that are gold."""
    rows = session.scalars(select(GoldItem).where(GoldItem.item_id.in_(item_ids)))
    return {row.item_id: row for row in rows}


def remove(session: Session, project_id: int, item_ids: Sequence[int]) -> int:
    """Remove these items from the gold set, with their answers; return how many were gold."""
    rows = session.execute(
        delete(GoldItem)
        .where(GoldItem.project_id == project_id, GoldItem.item_id.in_(item_ids))
        .returning(GoldItem.item_id)
    )
    return len(rows.all())


def answers_of(
    session: Session, annotator_id: int, item_ids: Sequence[int]
) -> dict[int, tuple[GoldAnswer, GoldItem]]:
    """Return item id -> (the annotator's answer, the gold item), of gold that they were handed."""
    if not item_ids:
        return {}
    given = {"annotator_id": annotator_id, "item_ids": list(item_ids)}
    rows = session.execute(_ANSWERS, given)
    return {answer.item_id: (answer, gold) for answer, gold in rows}


def leases_of(
    session: Session,
    project_id: int,
    annotator_id: int,
    item_ids: Sequence[int] | None = None,
) -> list[GoldAnswer]:
    """Return the gold that the annotator holds, of these items or all."""
    given: dict[str, Any] = {"project_id": project_id, "annotator_id": annotator_id}
    if item_ids is None:
        return list(session.scalars(_HELD, given))
    return list(session.scalars(_HELD_OF_ITEMS, given | {"item_ids": list(item_ids)}))


def n_handed_out(session: Session, project_id: int, annotator_id: int) -> int:
    """Return how many gold items the annotator was ever handed."""
    return (
        session.scalar(
            select(func.count()).where(
                GoldAnswer.project_id == project_id, GoldAnswer.annotator_id == annotator_id
            )
        )
        or 0
    )


def candidates(session: Session, project_id: int, annotator_id: int, limit: int) -> list[int]:
    """Return up to `limit` gold items to hand to the annotator.

    First come items that they were handed and released, then items that they never saw or labeled,
    in an order of their own. Items that are set aside are left out: nobody could see them.
    """
    can_be_read = ~exists().where(SetAsideItem.item_id == GoldItem.item_id)
    waiting = (
        select(GoldAnswer.item_id)
        .join(GoldItem, GoldItem.item_id == GoldAnswer.item_id)
        .where(
            GoldAnswer.project_id == project_id,
            GoldAnswer.annotator_id == annotator_id,
            func.coalesce(GoldAnswer.leased_until <= func.now(), True),
            can_be_read,
            *IS_WAITING,
        )
    )
    again = list(session.scalars(waiting.order_by(GoldAnswer.item_id).limit(limit)))
    order = func.md5(func.concat(GoldItem.item_id, ":", annotator_id))
    new = session.scalars(
        select(GoldItem.item_id)
        .where(
            GoldItem.project_id == project_id,
            can_be_read,
            ~exists().where(
                GoldAnswer.item_id == GoldItem.item_id, GoldAnswer.annotator_id == annotator_id
            ),
            ~exists().where(Label.item_id == GoldItem.item_id, Label.annotator_id == annotator_id),
        )
        .order_by(order)
        .limit(limit - len(again))
    )
    return again + list(new)


def lease(
    session: Session,
    project_id: int,
    annotator_id: int,
    item_ids: Sequence[int],
    lease_seconds: float,
) -> None:
    """Hand these gold items to the annotator until `lease_seconds` from now."""
    if not item_ids:
        return
    until = func.now() + timedelta(seconds=lease_seconds)
    rows = [
        {
            "item_id": item_id,
            "annotator_id": annotator_id,
            "project_id": project_id,
            "leased_until": until,
        }
        for item_id in item_ids
    ]
    session.execute(
        insert(GoldAnswer)
        .values(rows)
        .on_conflict_do_update(
            index_elements=[GoldAnswer.item_id, GoldAnswer.annotator_id],
            set_={"leased_until": until},
        )
    )


def release_items(session: Session, item_ids: Sequence[int]) -> None:
    """Take these gold items back from whoever holds them."""
    if item_ids:
        _end_leases(session, GoldAnswer.item_id.in_(item_ids))


def release_project(session: Session, project_id: int) -> None:
    """Take the project's gold back from whoever holds it."""
    _end_leases(session, GoldAnswer.project_id == project_id)


def scores(
    session: Session, project_id: int, annotator_id: int | None = None
) -> dict[int, GoldScore]:
    """Return annotator id -> score, of all or one, of answers given since they were resumed."""
    statement = (
        select(
            GoldAnswer.annotator_id,
            func.count(),
            func.count().filter(GoldAnswer.class_index == GoldItem.class_index),
        )
        .join(GoldItem, GoldItem.item_id == GoldAnswer.item_id)
        .outerjoin(
            PausedAnnotator,
            (PausedAnnotator.project_id == GoldAnswer.project_id)
            & (PausedAnnotator.annotator_id == GoldAnswer.annotator_id),
        )
        .where(
            GoldAnswer.project_id == project_id,
            GoldAnswer.class_index.is_not(None),
            func.coalesce(
                GoldAnswer.answered_at > PausedAnnotator.resumed_at,
                True,
            ),
        )
        .group_by(GoldAnswer.annotator_id)
    )
    if annotator_id is not None:
        statement = statement.where(GoldAnswer.annotator_id == annotator_id)
    return {id_: GoldScore(n, n_right) for id_, n, n_right in session.execute(statement)}


def page(session: Session, project_id: int, after_id: int, limit: int) -> list[GoldSummary]:
    """Return up to `limit` gold items above `after_id` with how they were answered."""
    rows = session.execute(
        select(
            Item,
            GoldItem.class_index,
            func.count(GoldAnswer.class_index),
            func.count().filter(GoldAnswer.class_index == GoldItem.class_index),
        )
        .join(GoldItem, GoldItem.item_id == Item.id)
        .outerjoin(GoldAnswer, GoldAnswer.item_id == Item.id)
        .where(GoldItem.project_id == project_id, Item.id > after_id)
        .group_by(Item.id, GoldItem.class_index)
        .order_by(Item.id)
        .limit(limit)
    )
    return [GoldSummary(*row) for row in rows]


def _end_leases(session: Session, *which: ColumnElement[bool]) -> None:
    session.execute(update(GoldAnswer).where(*which, *IS_WAITING).values(leased_until=None))
