"""Tables of Label Studio: connections, the tasks pushed there, and the annotations seen there."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import CASCADE, Base, created_now, one_of, primary_key, reference


class RoundEnd(StrEnum):
    """The fate of unlabeled tasks of a round that ends early: DELETE them, or KEEP as reserve."""

    DELETE = "delete"
    KEEP = "keep"


class TaskState(StrEnum):
    """PUSHING is being created there, LIVE is there, DUPLICATE is a second one.

    DELETING is being deleted by us, WITHDRAWN was: it is pushed again when its item is wanted
    again. GONE was deleted by somebody there.
    """

    PUSHING = "pushing"
    LIVE = "live"
    DUPLICATE = "duplicate"
    DELETING = "deleting"
    WITHDRAWN = "withdrawn"
    GONE = "gone"


class LabelStudioConnection(Base):
    """A project's connection to a project of a Label Studio."""

    __tablename__ = "label_studio_connections"
    __table_args__ = (one_of("round_end", RoundEnd),)

    id: Mapped[int] = primary_key()
    # Part of the names of those who hold items for it: nobody guesses them.
    uid: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    # A project is labeled in one project there.
    project_id: Mapped[int] = mapped_column(
        ForeignKey("projects.id", ondelete=CASCADE), unique=True
    )
    url: Mapped[str]
    token: Mapped[str] = mapped_column(deferred=True)  # read by `queries.token_of` alone
    project_there: Mapped[int]
    origin: Mapped[str]  # of its pages: they may read the project's images
    # Made by a lead: its URL is checked as one that somebody outside has given.
    is_guarded: Mapped[bool] = mapped_column(server_default=text("false"))
    public_url: Mapped[str | None]  # of this service, as browsers and Label Studio reach it
    webhook_secret: Mapped[str] = mapped_column(deferred=True)
    webhook_id: Mapped[int | None]
    round_end: Mapped[str] = mapped_column(server_default=RoundEnd.DELETE)
    # Label Studio's instant up to which its tasks were read; overlaps are read again.
    read_until: Mapped[datetime | None]
    listed_at: Mapped[datetime | None]  # when all ids were last compared
    n_foreign: Mapped[int] = mapped_column(server_default=text("0"))  # tasks there, not ours
    begun_at: Mapped[datetime | None]
    synced_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    n_failures: Mapped[int] = mapped_column(server_default=text("0"))  # since the last success
    error_code: Mapped[str | None]
    error: Mapped[str | None]
    # One process at a time synchronises: it holds this token, renewed as it goes on.
    holder: Mapped[UUID | None]
    held_by: Mapped[str | None]  # its host and process id
    held_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_now()


class LabelStudioWake(Base):
    """When a webhook last said that something happened there; apart, so that it never waits."""

    __tablename__ = "label_studio_wakes"

    connection_id: Mapped[int] = mapped_column(
        ForeignKey("label_studio_connections.id", ondelete=CASCADE),
        primary_key=True,
        autoincrement=False,
    )
    woken_at: Mapped[datetime]


class LabelStudioTask(Base):
    """An item as a task of Label Studio. The row is there before the task is."""

    __tablename__ = "label_studio_tasks"
    __table_args__ = (
        UniqueConstraint("connection_id", "task_id"),
        # An item is a task there once at a time.
        Index(
            "uq_label_studio_tasks_item",
            "connection_id",
            "item_id",
            unique=True,
            postgresql_where=text("state IN ('pushing', 'live')"),
        ),
        one_of("state", TaskState),
        Index(None, "item_id"),
        Index(None, "batch_item_id"),
    )

    id: Mapped[int] = primary_key()
    connection_id: Mapped[int] = reference("label_studio_connections.id")
    item_id: Mapped[int] = reference("items.id")
    # The place in a batch that the task fills; NULL: it is gold.
    batch_item_id: Mapped[int | None] = mapped_column(
        ForeignKey("batch_items.id", ondelete=CASCADE)
    )
    place: Mapped[int] = mapped_column(server_default=text("0"))  # the order of pushing
    task_id: Mapped[int | None]  # Label Studio's; NULL until it is known
    state: Mapped[str] = mapped_column(server_default=TaskState.PUSHING)
    was_annotated: Mapped[bool] = mapped_column(server_default=text("false"))
    image_until: Mapped[datetime | None]  # when the signed address in the task expires
    created_at: Mapped[datetime] = created_now()


class LabelStudioAnnotation(Base):
    """An annotation as it was last seen there, and whether it is applied here."""

    __tablename__ = "label_studio_annotations"
    __table_args__ = (
        # An annotation is known once. Over SQLite, Label Studio gives ids of deleted ones again.
        Index(
            "uq_label_studio_annotations_there",
            "connection_id",
            "annotation_id",
            unique=True,
            postgresql_where=text("NOT is_deleted"),
        ),
        Index(
            "ix_label_studio_annotations_pending",
            "connection_id",
            postgresql_where=text("is_pending"),
        ),
        Index(None, "connection_id"),
        Index(None, "task_row", "annotator_id"),
        Index(None, "annotator_id"),
    )

    id: Mapped[int] = primary_key()
    connection_id: Mapped[int] = reference("label_studio_connections.id")
    annotation_id: Mapped[int]
    task_row: Mapped[int] = mapped_column(ForeignKey("label_studio_tasks.id", ondelete=CASCADE))
    annotator_id: Mapped[int] = reference("annotators.id")
    updated_at: Mapped[datetime]  # Label Studio's: a newer one is a revision
    answer: Mapped[str | None]  # the choice as its result names it
    seconds: Mapped[float | None]
    is_skip: Mapped[bool] = mapped_column(server_default=text("false"))
    is_deleted: Mapped[bool] = mapped_column(server_default=text("false"))
    is_pending: Mapped[bool] = mapped_column(server_default=text("true"))
    code: Mapped[str | None]  # what became of it: a status, or why it waits or was refused


class LabelStudioUser(Base):
    """A user of Label Studio, and who they are here."""

    __tablename__ = "label_studio_users"
    __table_args__ = (Index(None, "annotator_id"),)

    connection_id: Mapped[int] = mapped_column(
        ForeignKey("label_studio_connections.id", ondelete=CASCADE),
        primary_key=True,
        autoincrement=False,
    )
    user_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    annotator_id: Mapped[int] = reference("annotators.id")
