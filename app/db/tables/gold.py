"""Tables of gold items, the answers to them, and paused annotators."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import CASCADE, Base, created_now, reference


class GoldItem(Base):
    """A pool item of known class, handed to annotators now and then to check their accuracy."""

    __tablename__ = "gold_items"

    item_id: Mapped[int] = mapped_column(
        ForeignKey("items.id", ondelete=CASCADE), primary_key=True, autoincrement=False
    )
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete=CASCADE), index=True)
    class_index: Mapped[int] = mapped_column(SmallInteger)
    created_at: Mapped[datetime] = created_now()


class GoldAnswer(Base):
    """A gold item as one annotator got it, and the answer. Apart from labels: never trained on."""

    __tablename__ = "gold_answers"
    __table_args__ = (Index(None, "project_id", "annotator_id"),)

    # An annotator gets a gold item once.
    item_id: Mapped[int] = mapped_column(
        ForeignKey("gold_items.item_id", ondelete=CASCADE), primary_key=True, autoincrement=False
    )
    annotator_id: Mapped[int] = mapped_column(
        ForeignKey("annotators.id", ondelete=CASCADE), primary_key=True, autoincrement=False
    )
    project_id: Mapped[int] = reference("projects.id")
    leased_until: Mapped[datetime | None]
    class_index: Mapped[int | None] = mapped_column(SmallInteger)
    skipped_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_now()


class PausedAnnotator(Base):
    """An annotator to whom a project hands nothing at present, and why."""

    __tablename__ = "paused_annotators"

    project_id: Mapped[int] = mapped_column(
        ForeignKey("projects.id", ondelete=CASCADE), primary_key=True, autoincrement=False
    )
    annotator_id: Mapped[int] = mapped_column(
        ForeignKey("annotators.id", ondelete=CASCADE), primary_key=True, autoincrement=False
    )
    reason: Mapped[str]
    paused_at: Mapped[datetime] = created_now()
    resumed_at: Mapped[datetime | None]  # earlier gold answers do not count
