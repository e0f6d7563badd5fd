"""The table of exports of labels that a worker writes to a file."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped

from app.db.tables.base import Base, created_now, primary_key, reference


class LabelExport(Base):
    """A file of labels that a job of its own writes; the file goes when it has expired."""

    __tablename__ = "label_exports"
    __table_args__ = (
        Index(None, "project_id", "id"),
        # Those whose file is to go are looked for every few seconds.
        Index("ix_label_exports_expiry", "expires_at", postgresql_where=text("file_hash <> ''")),
    )

    id: Mapped[int] = primary_key()
    project_id: Mapped[int] = reference("projects.id")
    format: Mapped[str]  # of exports.formats
    options: Mapped[dict[str, Any]]  # filter, columns of annotators, raw: as asked for
    n_labels: Mapped[int]  # that the filter left when it was asked for
    n_written: Mapped[int | None]  # labels in the file; NULL until there is one
    size_bytes: Mapped[int | None]
    file_hash: Mapped[str | None]  # artifact: the file; "" once it has expired
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_now()
