"""Tables of annotators' answers, resolved labels and remarks."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import CASCADE, Base, created_now, one_of, primary_key, reference


class LabelSource(StrEnum):
    """ANNOTATOR labels count in the budget; IMPORT labels came with their item."""

    ANNOTATOR = "annotator"
    IMPORT = "import"


class ConsensusSource(StrEnum):
    """The source of a resolved label; all but IMPORTED rest on labels of annotators."""

    IMPORTED = "imported"
    MAJORITY = "majority"
    DAWID_SKENE = "dawid_skene"
    CROWDLAB = "crowdlab"
    ADJUDICATED = "adjudicated"


class Label(Base):
    """One annotator's answer for one item; earlier answers stand in label_revisions.

    It was given here, for a batch item, or came with an import (`batch_item_id` is NULL).
    """

    __tablename__ = "labels"
    __table_args__ = (
        # One standing label per (item, annotator): handing in again is unchanged or a revision.
        Index(
            "uq_labels_standing",
            "item_id",
            "annotator_id",
            unique=True,
            postgresql_where=text("withdrawn_at IS NULL AND batch_item_id IS NOT NULL"),
        ),
        # And one imported label: importing again brings no second one.
        Index(
            "uq_labels_imported",
            "item_id",
            "annotator_id",
            unique=True,
            postgresql_where=text("withdrawn_at IS NULL AND batch_item_id IS NULL"),
        ),
        # An imported label is nobody's adjudication and was given on no batch or reserve.
        CheckConstraint(
            "batch_item_id IS NOT NULL OR NOT (is_adjudication OR on_reserve)", "imported"
        ),
        Index(None, "project_id", "id"),
        # Labels of today and of the last hour are counted whenever a lead looks.
        Index(None, "project_id", "created_at"),
        # What falls with an item or a batch item is found without reading the table.
        Index(None, "item_id"),
        Index(None, "batch_item_id"),
        # Distrusted labels are counted whenever a lead looks.
        Index(
            "ix_labels_distrusted",
            "project_id",
            postgresql_where=text("is_distrusted AND withdrawn_at IS NULL"),
        ),
        # An annotator's own progress is counted whenever they look.
        Index(
            "ix_labels_annotator",
            "project_id",
            "annotator_id",
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
    )

    id: Mapped[int] = primary_key()
    project_id: Mapped[int] = reference("projects.id")
    item_id: Mapped[int] = reference("items.id")
    annotator_id: Mapped[int] = reference("annotators.id")
    # NULL: it came with an import.
    batch_item_id: Mapped[int | None] = mapped_column(
        ForeignKey("batch_items.id", ondelete=CASCADE)
    )
    class_index: Mapped[int] = mapped_column(SmallInteger)
    seconds: Mapped[float | None]
    labels_behind: Mapped[int]  # labels resolved since the ranking that brought the item here
    on_reserve: Mapped[bool] = mapped_column(
        server_default=text("false")
    )  # not on the newest batch
    # Given by an annotator who was paused, by an admin or for their accuracy on gold.
    is_flagged: Mapped[bool] = mapped_column(server_default=text("false"))
    # Flagged, and gold caught its annotator, or an admin said so.
    is_distrusted: Mapped[bool] = mapped_column(server_default=text("false"))
    # Distrusted, and no part of what resolves the item: the project excludes such labels.
    is_excluded: Mapped[bool] = mapped_column(server_default=text("false"))
    is_adjudication: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = created_now()
    revised_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]  # undone or requeued; the row is kept as history


class LabelRevision(Base):
    """An answer that a revision replaced. Append-only."""

    __tablename__ = "label_revisions"

    id: Mapped[int] = primary_key()
    label_id: Mapped[int] = mapped_column(ForeignKey("labels.id", ondelete=CASCADE), index=True)
    class_index: Mapped[int] = mapped_column(SmallInteger)
    replaced_at: Mapped[datetime] = created_now()


class ResolvedLabel(Base):
    """The label of a pool item that is used for training."""

    __tablename__ = "resolved_labels"
    __table_args__ = (
        one_of("source", LabelSource),
        one_of("method", ConsensusSource),
        Index(None, "project_id", "source"),
    )

    item_id: Mapped[int] = mapped_column(
        ForeignKey("items.id", ondelete=CASCADE), primary_key=True, autoincrement=False
    )
    project_id: Mapped[int] = reference("projects.id")
    class_index: Mapped[int] = mapped_column(SmallInteger)
    source: Mapped[str]
    round_number: Mapped[int | None]
    method: Mapped[str] = mapped_column(server_default=ConsensusSource.MAJORITY)
    # Share of the item's labels that are of its most frequent class.
    agreement: Mapped[float] = mapped_column(server_default=text("1"))
    # Probability of the class by Dawid-Skene or CROWDLAB.
    confidence: Mapped[float | None]
    label_version: Mapped[int] = mapped_column(server_default=text("0"))  # of its present class
    resolved_at: Mapped[datetime] = created_now()


class ItemFlag(Base):
    """An annotator's remark on an item, for an admin to read."""

    __tablename__ = "item_flags"
    __table_args__ = (Index(None, "project_id", "id"),)

    id: Mapped[int] = primary_key()
    project_id: Mapped[int] = reference("projects.id")
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id", ondelete=CASCADE), index=True)
    annotator_id: Mapped[int] = reference("annotators.id")
    comment: Mapped[str]
    created_at: Mapped[datetime] = created_now()
    closed_at: Mapped[datetime | None]
