"""Pages of items by what is known of them: labels, rounds, annotators, flags, gold, suspicion."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from app.db.tables import (
    Annotator,
    BatchItem,
    GoldItem,
    Item,
    ItemFlag,
    Label,
    ResolvedLabel,
    Round,
    SetAsideItem,
    Split,
    SuspectedLabel,
)
from app.domain.states import BatchItemState


class LabelingState(StrEnum):
    """How far an item is; OPEN: handed out or waiting in a batch; UNLABELED: everything else."""

    LABELED = "labeled"
    OPEN = "open"
    SKIPPED = "skipped"
    SET_ASIDE = "set_aside"
    UNLABELED = "unlabeled"


@dataclass(frozen=True)
class ItemFilter:
    """The items that are wanted; what is None takes all.

    Attributes:
        class_index: whose resolved label, or imported class, is of this class.
        round_number: selected by this round, and not withdrawn since.
        annotator: that this annotator has labeled.
        state: how far it is.
        is_disputed: its annotators disagree, or they do not.
        is_flagged: with an open flag, or without one.
        is_gold: of the gold set, or not.
        min_score, max_score: of the selection that brought it to annotators.
        suspected_by: the analysis that takes its label for likely wrong.
        index: of these places in its split.
        item_ids: of these.
        metadata: whose own metadata hold all of this.
        search: whose text or external id holds this; capitals do not count.
    """

    class_index: int | None = None
    round_number: int | None = None
    annotator: str | None = None
    state: LabelingState | None = None
    is_disputed: bool | None = None
    is_flagged: bool | None = None
    is_gold: bool | None = None
    min_score: float | None = None
    max_score: float | None = None
    suspected_by: int | None = None
    index: Sequence[int] | None = None
    item_ids: Sequence[int] | None = None
    metadata: dict[str, Any] | None = None
    search: str | None = None

    @property
    def is_of_few(self) -> bool:
        """Whether what it wants is looked up, however many items the pool has."""
        return (
            any(
                value is not None
                for value in (
                    self.round_number, self.annotator, self.min_score, self.max_score,
                    self.suspected_by, self.index, self.item_ids,
                )
            )
            or True in (self.is_disputed, self.is_flagged, self.is_gold)
            or self.state
            in (LabelingState.OPEN, LabelingState.SKIPPED, LabelingState.SET_ASIDE)
        )  # fmt: skip

    def conditions(self, project_id: int) -> list[ColumnElement[bool]]:
        """Return the conditions on items of the project."""
        found = self._of_columns()
        if self.state is not None:
            found.append(_STATE[self.state](project_id))
        return [*found, *self._of_work(project_id), *self._of_marks(project_id)]

    def _of_columns(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.class_index is not None:
            label = select(ResolvedLabel.class_index).where(ResolvedLabel.item_id == Item.id)
            of_item = func.coalesce(label.scalar_subquery(), Item.class_index)
            found.append(of_item == self.class_index)
        if self.index is not None:
            found.append(Item.index == func.any(list(self.index)))
        if self.item_ids is not None:
            found.append(Item.id == func.any(list(self.item_ids)))
        if self.metadata:
            found.append(Item.metadata_.contains(self.metadata))
        if self.search is not None:
            columns = (Item.text, Item.external_id)
            found.append(or_(*(c.icontains(self.search, autoescape=True) for c in columns)))
        return found

    def _of_work(self, project_id: int) -> Iterator[ColumnElement[bool]]:
        if self.annotator is not None:
            yield _is_one_of(
                _standing(project_id)
                .join(Annotator, Annotator.id == Label.annotator_id)
                .where(Annotator.name == self.annotator)
            )
        if self.round_number is not None:
            yield _is_one_of(
                _live(project_id)
                .join(Round, Round.id == BatchItem.round_id)
                .where(Round.number == self.round_number)
            )
        scores = [
            *([BatchItem.score >= self.min_score] if self.min_score is not None else []),
            *([BatchItem.score <= self.max_score] if self.max_score is not None else []),
        ]
        if scores:
            yield _is_one_of(_live(project_id).where(*scores))

    def _of_marks(self, project_id: int) -> Iterator[ColumnElement[bool]]:
        of_project: dict[ColumnElement[bool], bool | None] = {
            _is_one_of(_disputed(project_id)): self.is_disputed,
            _is_one_of(
                select(ItemFlag.item_id).where(
                    ItemFlag.project_id == project_id, ItemFlag.closed_at.is_(None)
                )
            ): self.is_flagged,
            _is_one_of(select(GoldItem.item_id).where(GoldItem.project_id == project_id)): (
                self.is_gold
            ),
        }
        for condition, wanted in of_project.items():
            if wanted is not None:
                yield condition if wanted else ~condition
        if self.suspected_by is not None:
            suspected = select(SuspectedLabel.item_id)
            yield _is_one_of(suspected.where(SuspectedLabel.analysis_id == self.suspected_by))


def _is_one_of(item_ids: Select[int]) -> ColumnElement[bool]:
    """Return the condition that an item is one of these, which are looked up first, once.

    As a subquery of IN, Postgres would ask for each item of the pool in turn, hoping for an early
    end: 6 s at a million items where few or none are wanted.
    """
    return Item.id == func.any(func.array(item_ids.scalar_subquery()))


def _standing(project_id: int) -> Select[int]:
    return select(Label.item_id).where(Label.project_id == project_id, Label.withdrawn_at.is_(None))


def _live(project_id: int) -> Select[int]:
    return select(BatchItem.item_id).where(
        BatchItem.project_id == project_id, BatchItem.state != BatchItemState.WITHDRAWN
    )


def _disputed(project_id: int) -> Select[int]:
    """Return the items with two standing labels of different classes, whatever became of them."""
    return (
        _standing(project_id)
        .group_by(Label.item_id)
        .having(func.min(Label.class_index) != func.max(Label.class_index))
    )


_IS_RESOLVED = exists().where(ResolvedLabel.item_id == Item.id)
_IS_LIVE = exists().where(BatchItem.item_id == Item.id, BatchItem.state != BatchItemState.WITHDRAWN)
_IS_FLAGGED = exists().where(ItemFlag.item_id == Item.id, ItemFlag.closed_at.is_(None))
_IS_DISPUTED = (
    select(func.min(Label.class_index) != func.max(Label.class_index))
    .where(Label.item_id == Item.id, Label.withdrawn_at.is_(None))
    .scalar_subquery()
)
_IS_SET_ASIDE = exists().where(SetAsideItem.item_id == Item.id)
_N_LABELS = (
    select(func.count())
    .select_from(Label)
    .where(Label.item_id == Item.id, Label.withdrawn_at.is_(None))
    .scalar_subquery()
)


def _in_batch_state(state: BatchItemState) -> Callable[[int], ColumnElement[bool]]:
    return lambda project_id: _is_one_of(_live(project_id).where(BatchItem.state == state))


_STATE: dict[LabelingState, Callable[[int], ColumnElement[bool]]] = {
    LabelingState.LABELED: lambda _: _IS_RESOLVED,
    LabelingState.OPEN: _in_batch_state(BatchItemState.OPEN),
    LabelingState.SKIPPED: _in_batch_state(BatchItemState.SKIPPED),
    LabelingState.SET_ASIDE: lambda project_id: _is_one_of(
        select(SetAsideItem.item_id).where(SetAsideItem.project_id == project_id)
    ),
    LabelingState.UNLABELED: lambda _: and_(~_IS_RESOLVED, ~_IS_LIVE, ~_IS_SET_ASIDE),
}


@dataclass(frozen=True)
class ListedItem:
    """An item with what is known of it; None: no label, no round, not gold."""

    item: Item
    resolved: ResolvedLabel | None
    batch_item: BatchItem | None
    round_number: int | None
    gold_class: int | None
    is_flagged: bool
    is_set_aside: bool
    is_disputed: bool
    n_labels: int

    @property
    def state(self) -> LabelingState:
        """How far the item is."""
        if self.is_set_aside:
            return LabelingState.SET_ASIDE
        if self.resolved is not None:
            return LabelingState.LABELED
        if self.batch_item is not None:
            return LabelingState(self.batch_item.state)
        return LabelingState.UNLABELED


def page(
    session: Session, project_id: int, split: Split, page: tuple[int, int], wanted: ItemFilter
) -> list[ListedItem]:
    """Return the wanted items of a page (after this index, up to so many), ascending."""
    after_index, limit = page
    found = session.scalars(_ids(project_id, split, after_index, wanted).limit(limit)).all()
    # What is known of them in a second statement: in the first, Postgres may read it of all.
    return of_ids(session, found)


def ids_within(  # noqa: PLR0913, PLR0917 - a statement's parts
    session: Session,
    project_id: int,
    split: Split,
    window: tuple[int, int],
    wanted: ItemFilter,
    limit: int,
) -> list[int]:
    """Return the ids of up to `limit` wanted items of a window (after, up to), by index."""
    after, up_to = window
    statement = _ids(project_id, split, after, wanted).where(Item.index <= up_to)
    return list(session.scalars(statement.limit(limit)))


def _ids(project_id: int, split: Split, after_index: int, wanted: ItemFilter) -> Select[int]:
    return (
        select(Item.id)
        .where(
            Item.project_id == project_id,
            Item.split == split,
            Item.index > after_index,
            *wanted.conditions(project_id),
        )
        .order_by(Item.index)
    )


def of_ids(session: Session, item_ids: Sequence[int]) -> list[ListedItem]:
    """Return these items with what is known of them, by index."""
    statement = _listed().where(Item.id == func.any(list(item_ids))).order_by(Item.index)
    return [ListedItem(*row) for row in session.execute(statement)] if item_ids else []


def disputed_ids(session: Session, project_id: int) -> list[int]:
    """Return the items whose annotators disagree; it reads every label."""
    return list(session.scalars(_disputed(project_id)))


def listed(session: Session, project_id: int, item_id: int) -> ListedItem | None:
    """Return one item with what is known of it."""
    row = session.execute(
        _listed().where(Item.project_id == project_id, Item.id == item_id)
    ).one_or_none()
    return None if row is None else ListedItem(*row)


def _listed() -> Select[Any]:
    return (
        select(
            Item,
            ResolvedLabel,
            BatchItem,
            Round.number,
            GoldItem.class_index,
            _IS_FLAGGED,
            _IS_SET_ASIDE,
            func.coalesce(_IS_DISPUTED, False),
            _N_LABELS,
        )
        .outerjoin(ResolvedLabel, ResolvedLabel.item_id == Item.id)
        .outerjoin(
            BatchItem,
            and_(BatchItem.item_id == Item.id, BatchItem.state != BatchItemState.WITHDRAWN),
        )
        .outerjoin(Round, Round.id == BatchItem.round_id)
        .outerjoin(GoldItem, GoldItem.item_id == Item.id)
    )
