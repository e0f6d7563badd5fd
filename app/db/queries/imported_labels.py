"""Statements on labels by annotators that came with an import: they belong to no batch item.

All of them expect that the caller holds the project's row lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    SmallInteger,
    TableValuedAlias,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from app.db.tables import (
    ConsensusSource,
    GoldItem,
    Item,
    Label,
    LabelSource,
    ResolvedLabel,
    Split,
)

STANDS = (Label.batch_item_id.is_(None), Label.withdrawn_at.is_(None))


@dataclass(frozen=True)
class Answer:
    """One annotator's answer to one item."""

    item_id: int
    annotator_id: int
    class_index: int


@dataclass(frozen=True)
class Resolved:
    """An item's class by its imported labels, and the share of them that are of it."""

    class_index: int
    agreement: float


@dataclass(frozen=True)
class StoredResolved(Resolved):
    """A resolved label as it is stored."""

    source: str
    method: str
    label_version: int


def new_ids(session: Session, project_id: int, split: str, first_index: int) -> dict[str, int]:
    """Return external id -> id of the split's items from this index on."""
    rows = session.execute(
        select(Item.external_id, Item.id).where(
            Item.project_id == project_id, Item.split == split, Item.index >= first_index
        )
    )
    return {external_id: item_id for external_id, item_id in rows}  # noqa: C416 - types


def pool_ids(session: Session, item_ids: Sequence[int]) -> list[int]:
    """Return those of these items that are of the pool, ascending."""
    return list(
        session.scalars(
            select(Item.id)
            .where(_is_one_of(Item.id, item_ids), Item.split == Split.POOL)
            .order_by(Item.id)
        )
    )


def standing(session: Session, item_ids: Sequence[int]) -> dict[tuple[int, int], int]:
    """Return (item id, annotator id) -> class of the standing labels; given here before imported.

    Where an annotator's label was imported and they labeled the item here later, that one counts.
    """
    rows = session.execute(
        select(Label.item_id, Label.annotator_id, Label.class_index)
        .where(_is_one_of(Label.item_id, item_ids), Label.withdrawn_at.is_(None))
        .order_by(Label.batch_item_id.is_not(None))
    )
    return {(item_id, annotator_id): c for item_id, annotator_id, c in rows}


def counted(session: Session, item_ids: Sequence[int]) -> dict[int, list[int]]:
    """Return item id -> the classes of its imported labels that count, oldest first."""
    rows = session.execute(
        select(Label.item_id, Label.class_index)
        .where(_is_one_of(Label.item_id, item_ids), *STANDS, ~Label.is_excluded)
        .order_by(Label.id)
    )
    found: dict[int, list[int]] = {}
    for item_id, class_index in rows:
        found.setdefault(item_id, []).append(class_index)
    return found


def add(session: Session, project_id: int, answers: Sequence[Answer]) -> None:
    """Store answers; none of their annotators has an imported label of the item yet."""
    given = _columns(
        {
            "item_id": (BigInteger, [answer.item_id for answer in answers]),
            "annotator_id": (BigInteger, [answer.annotator_id for answer in answers]),
            "class_index": (SmallInteger, [answer.class_index for answer in answers]),
        }
    )
    session.execute(
        insert(Label).from_select(
            ["project_id", "item_id", "annotator_id", "class_index", "labels_behind"],
            select(
                literal(project_id),
                given.c.item_id,
                given.c.annotator_id,
                given.c.class_index,
                literal(0),
            ),
        )
    )


def resolved(session: Session, item_ids: Sequence[int]) -> dict[int, StoredResolved]:
    """Return pool item id -> its resolved label."""
    rows = session.execute(
        select(
            ResolvedLabel.item_id,
            ResolvedLabel.class_index,
            ResolvedLabel.agreement,
            ResolvedLabel.source,
            ResolvedLabel.method,
            ResolvedLabel.label_version,
        ).where(_is_one_of(ResolvedLabel.item_id, item_ids))
    )
    return {row[0]: StoredResolved(*row[1:]) for row in rows}


def resolve(
    session: Session, project_id: int, decided: Mapping[int, Resolved], label_version: int
) -> None:
    """Resolve unresolved pool items (item id -> class) by their imported labels."""
    given = _decided(decided)
    names = ("class_index", "agreement")
    session.execute(
        insert(ResolvedLabel).from_select(
            ["item_id", "project_id", "source", "method", "label_version", *names],
            select(
                given.c.item_id,
                literal(project_id),
                literal(LabelSource.IMPORT),
                literal(ConsensusSource.MAJORITY),
                literal(label_version),
                *(given.c[name] for name in names),
            ),
        )
    )


def resolve_again(
    session: Session, decided: Mapping[int, Resolved], label_version: int | None
) -> None:
    """Update resolved labels of imported items; their version, too, where it is given."""
    given = _decided(decided)
    values: dict[str, Any] = {
        "class_index": given.c.class_index,
        "agreement": given.c.agreement,
        "method": ConsensusSource.MAJORITY,
        "confidence": None,
    }
    if label_version is not None:
        values["label_version"] = label_version
    session.execute(
        update(ResolvedLabel)
        .where(ResolvedLabel.item_id == given.c.item_id)
        .values(values)
        .execution_options(synchronize_session=False)
    )


def of_class(session: Session, project_id: int, class_index: int) -> list[int]:
    """Return the pool items with several imported labels, one of them of the class."""
    other = (
        select(Label.item_id)
        .join(Item, Item.id == Label.item_id)
        .where(Label.project_id == project_id, *STANDS, Item.split == Split.POOL)
        .group_by(Label.item_id)
        .having(func.count() > 1, func.bool_or(Label.class_index == class_index))
        .order_by(Label.item_id)
    )
    return list(session.scalars(other))


def set_distrusted(
    session: Session, project_id: int, annotator_id: int, *, distrusted: bool, excludes: bool
) -> list[int]:
    """Distrust an annotator's imported labels, or trust them; return the items they are of.

    Labels of gold items stay: an admin has vouched for their class.
    """
    return _change(
        session,
        (
            Label.project_id == project_id,
            Label.annotator_id == annotator_id,
            Label.is_distrusted != distrusted,
            ~exists().where(GoldItem.item_id == Label.item_id),
        ),
        {"is_distrusted": distrusted, "is_excluded": distrusted and excludes},
    )


def set_excluded(session: Session, project_id: int, *, excludes: bool) -> list[int]:
    """Exclude the project's distrusted imported labels, or not; return the items they are of."""
    return _change(
        session,
        (
            Label.project_id == project_id,
            Label.is_distrusted.is_(True),
            Label.is_excluded != excludes,
        ),
        {"is_excluded": excludes},
    )


def withdraw(session: Session, item_ids: Sequence[int]) -> None:
    """Withdraw the imported labels of these items; they are kept as history."""
    _change(session, (_is_one_of(Label.item_id, item_ids),), {"withdrawn_at": func.now()})


def _change(
    session: Session, which: Sequence[ColumnElement[bool]], values: dict[str, Any]
) -> list[int]:
    return list(
        session.scalars(
            update(Label)
            .where(*STANDS, *which)
            .values(values)
            .returning(Label.item_id)
            .execution_options(synchronize_session=False)
        )
    )


def _is_one_of(column: Any, item_ids: Sequence[int]) -> ColumnElement[bool]:
    found: ColumnElement[bool] = column == func.any(literal(list(item_ids), ARRAY(BigInteger)))
    return found


def _decided(decided: Mapping[int, Resolved]) -> TableValuedAlias:
    return _columns(
        {
            "item_id": (BigInteger, list(decided)),
            "class_index": (SmallInteger, [each.class_index for each in decided.values()]),
            "agreement": (Float, [each.agreement for each in decided.values()]),
        }
    )


def _columns(values: Mapping[str, tuple[Any, list[Any]]]) -> TableValuedAlias:
    """Return a table of these columns."""
    arrays = [literal(column, ARRAY(kind)) for kind, column in values.values()]
    return func.unnest(*arrays).table_valued(*values).render_derived()
