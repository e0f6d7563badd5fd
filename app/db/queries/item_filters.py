"""Pages of items by what is known of them: labels, rounds, annotators, flags, gold, suspicion."""

from collections.abc import Sequence
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
    metadata: dict[str, Any] | None = None
    search: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions on Item, ResolvedLabel and BatchItem, the latter two outer."""
        found = [*self._of_columns(), *self._of_rows_elsewhere()]
        if self.state is not None:
            found.append(_STATE[self.state])
        return found

    def _of_columns(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.class_index is not None:
            resolved = func.coalesce(ResolvedLabel.class_index, Item.class_index)
            found.append(resolved == self.class_index)
        if self.round_number is not None:
            found.append(Round.number == self.round_number)
        if self.min_score is not None:
            found.append(BatchItem.score >= self.min_score)
        if self.max_score is not None:
            found.append(BatchItem.score <= self.max_score)
        if self.index is not None:
            found.append(Item.index == func.any(list(self.index)))
        if self.metadata:
            found.append(Item.metadata_.contains(self.metadata))
        if self.search is not None:
            columns = (Item.text, Item.external_id)
            found.append(or_(*(c.icontains(self.search, autoescape=True) for c in columns)))
        return found

    def _of_rows_elsewhere(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.annotator is not None:
            given = select(Label.item_id).join(Annotator, Annotator.id == Label.annotator_id)
            found.append(
                Item.id.in_(
                    given.where(
                        Annotator.name == self.annotator,
                        Label.project_id == Item.project_id,
                        Label.withdrawn_at.is_(None),
                    )
                )
            )
        for wanted, condition in (
            (self.is_disputed, _IS_DISPUTED),
            (self.is_flagged, _IS_FLAGGED),
            (self.is_gold, GoldItem.item_id.is_not(None)),
        ):
            if wanted is not None:
                found.append(condition if wanted else ~condition)
        if self.suspected_by is not None:
            suspected = select(SuspectedLabel.item_id)
            found.append(
                Item.id.in_(suspected.where(SuspectedLabel.analysis_id == self.suspected_by))
            )
        return found


_IS_FLAGGED = exists().where(ItemFlag.item_id == Item.id, ItemFlag.closed_at.is_(None))
# Two standing labels of different classes, whatever became of it.
_IS_DISPUTED = (
    select(func.min(Label.class_index) != func.max(Label.class_index))
    .where(Label.item_id == Item.id, Label.withdrawn_at.is_(None))
    .scalar_subquery()
    .is_(True)
)
_IS_SET_ASIDE = exists().where(SetAsideItem.item_id == Item.id)
_N_LABELS = (
    select(func.count())
    .select_from(Label)
    .where(Label.item_id == Item.id, Label.withdrawn_at.is_(None))
    .scalar_subquery()
)
_STATE: dict[LabelingState, ColumnElement[bool]] = {
    LabelingState.LABELED: ResolvedLabel.item_id.is_not(None),
    LabelingState.OPEN: BatchItem.state == BatchItemState.OPEN,
    LabelingState.SKIPPED: BatchItem.state == BatchItemState.SKIPPED,
    LabelingState.SET_ASIDE: _IS_SET_ASIDE,
    LabelingState.UNLABELED: and_(
        ResolvedLabel.item_id.is_(None),
        or_(BatchItem.id.is_(None), BatchItem.state == BatchItemState.WITHDRAWN),
        ~_IS_SET_ASIDE,
    ),
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
    statement = (
        _listed()
        .where(
            Item.project_id == project_id,
            Item.split == split,
            Item.index > after_index,
            *wanted.conditions(),
        )
        .order_by(Item.index)
        .limit(limit)
    )
    return [ListedItem(*row) for row in session.execute(statement)]


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
