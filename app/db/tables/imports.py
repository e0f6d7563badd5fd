"""Tables of imports that a worker does, and of the lines that they refused."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import CASCADE, Base, created_now, primary_key, reference


class Import(Base):
    """A file or folder that a job of its own reads into the project."""

    __tablename__ = "imports"
    __table_args__ = (
        # It lies in the artifact store or behind an address, never in both.
        CheckConstraint("(content_hash IS NULL) <> (uri IS NULL)", "uploaded_or_addressed"),
        Index(None, "project_id", "id"),
    )

    id: Mapped[int] = primary_key()
    project_id: Mapped[int] = reference("projects.id")
    name: Mapped[str]  # of the file, as it was sent
    content_hash: Mapped[str | None]  # artifact: the uploaded file; "" once it has been read
    uri: Mapped[str | None]
    options: Mapped[dict[str, Any]]  # how it is read, as asked for
    format: Mapped[str | None]  # that was found
    # What the reader has yielded and the project has taken: written with the items themselves, so
    # that an attempt resumes behind the last ones.
    n_done: Mapped[int] = mapped_column(server_default=text("0"))
    n_created: Mapped[int] = mapped_column(server_default=text("0"))
    n_updated: Mapped[int] = mapped_column(server_default=text("0"))
    n_known: Mapped[int] = mapped_column(server_default=text("0"))
    n_failed: Mapped[int] = mapped_column(server_default=text("0"))
    n_labels: Mapped[int] = mapped_column(server_default=text("0"))  # by annotators, stored
    n_skips: Mapped[int] = mapped_column(server_default=text("0"))  # of annotators, left out
    created_at: Mapped[datetime] = created_now()


class RefusedImportLine(Base):
    """A line of an import that became no item."""

    __tablename__ = "refused_import_lines"
    __table_args__ = (Index(None, "import_id", "id"),)

    id: Mapped[int] = primary_key()
    import_id: Mapped[int] = mapped_column(ForeignKey("imports.id", ondelete=CASCADE))
    line: Mapped[int]
    external_id: Mapped[str | None]
    code: Mapped[str]
    detail: Mapped[str]
