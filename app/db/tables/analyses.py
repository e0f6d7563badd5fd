"""The table of analyses: what a job measures of a project's labels and models on request."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import CASCADE, Base, created_now, one_of, primary_key, reference


class AnalysisKind(StrEnum):
    """The question that an analysis answers."""

    LABELS_SAVED = "labels_saved"
    AUDIT = "audit"
    LABEL_ERRORS = "label_errors"
    PROXY_ADVICE = "proxy_advice"
    MAP = "map"
    PREDICTIONS = "predictions"


class Analysis(Base):
    """A question about the labels at hand; a job of its own trains models and answers it."""

    __tablename__ = "analyses"
    __table_args__ = (one_of("kind", AnalysisKind), Index(None, "project_id", "kind", "id"))

    id: Mapped[int] = primary_key()
    project_id: Mapped[int] = reference("projects.id")
    kind: Mapped[str]
    options: Mapped[dict[str, Any]]  # as asked for, with what was left out filled in
    n_labeled: Mapped[int | None]  # labels that it looked at
    label_version: Mapped[int | None]  # the project's, at that moment
    result: Mapped[dict[str, Any] | None]  # the answer; NULL until there is one
    result_hash: Mapped[str | None]  # artifact: what belongs to it and is long
    seconds: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    cpu_seconds: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    provenance: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    created_at: Mapped[datetime] = created_now()


class SuspectedLabel(Base):
    """A label that an analysis takes for likely wrong."""

    __tablename__ = "suspected_labels"
    # An item is suspected once. What falls with an item is found by an index.
    __table_args__ = (UniqueConstraint("analysis_id", "item_id"), Index(None, "item_id"))

    analysis_id: Mapped[int] = mapped_column(
        ForeignKey("analyses.id", ondelete=CASCADE), primary_key=True, autoincrement=False
    )
    rank: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 0 = most suspected
    item_id: Mapped[int] = reference("items.id")
    class_index: Mapped[int] = mapped_column(SmallInteger)  # of the label
    suggested_class: Mapped[int] = mapped_column(SmallInteger)
    suggested_probability: Mapped[float]
    label_probability: Mapped[float]
    suspicion: Mapped[float]
    reasons: Mapped[list[str]]
