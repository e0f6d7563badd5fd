"""Tables of what was deleted: projects, and stored files that may have to go."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import CASCADE, Base, created_now


class DeletedProject(Base):
    """A project that somebody deleted; stays as the record of it when all else is gone."""

    __tablename__ = "deleted_projects"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # the project's
    uid: Mapped[UUID] = mapped_column(unique=True)  # workers remove their copies by it
    name: Mapped[str]
    deleted_by: Mapped[str]
    n_items: Mapped[int]
    deleted_at: Mapped[datetime] = created_now()
    ended_at: Mapped[datetime | None]  # when the last of its rows went


class DiscardedArtifact(Base):
    """A stored file that something referred to and may not be needed any more.

    Written in the transaction that removes the reference, so that no crash leaves a file behind.
    """

    __tablename__ = "discarded_artifacts"
    __table_args__ = (Index(None, "due_at"),)

    hash: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime] = created_now()  # when to look whether it can go
    project_id: Mapped[int | None] = mapped_column(
        ForeignKey("deleted_projects.id", ondelete=CASCADE), index=True
    )  # deleted, that it was of; NULL: a single item's
