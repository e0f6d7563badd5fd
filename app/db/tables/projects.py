"""Projects and the items that they label."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import CASCADE, Base, created_now, one_of, primary_key, reference
from app.domain.states import ProjectState


class Split(StrEnum):
    """POOL items may be selected; EVALUATION items carry a class and measure every model."""

    POOL = "pool"
    EVALUATION = "evaluation"


class Project(Base):
    """One labeling effort: its classes, models, strategy and budget, and how far it is."""

    __tablename__ = "projects"
    __table_args__ = (
        one_of("state", ProjectState),
        CheckConstraint(
            "total_budget >= 1 AND initial_budget >= 1 AND round_budget >= 1", "budgets"
        ),
        CheckConstraint("reserve >= 0 AND labels_per_item BETWEEN 1 AND 25", "reserve_and_overlap"),
    )

    id: Mapped[int] = primary_key()
    # Names what workers keep of the project on their disks: ids come again in another database.
    uid: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    name: Mapped[str] = mapped_column(unique=True)
    modality: Mapped[str]
    classes: Mapped[list[str]]
    # domain.class_settings: hints, the order shown, retired classes.
    class_settings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    proxy: Mapped[dict[str, Any]]
    target: Mapped[dict[str, Any]]
    strategy: Mapped[str]
    initial_budget: Mapped[int]
    round_budget: Mapped[int]
    total_budget: Mapped[int]
    reserve: Mapped[int]
    labels_per_item: Mapped[int] = mapped_column(SmallInteger)
    # domain.annotation: what is asked of the annotators.
    annotation: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    # selection.options: what is asked of the strategy.
    selection: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    # domain.triggers: when a round ends early; domain.stopping: when labeling ends by itself.
    trigger: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    stop_when: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    # domain.audit: after which rounds the proxy is audited, and when that is told.
    audit: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    stop_reasons: Mapped[list[str] | None]  # why stop_when held; stays until it or a budget changes
    features_hash: Mapped[str | None]  # artifact: brought features, a row for each pool item
    n_featured: Mapped[int] = mapped_column(server_default=text("0"))  # their rows
    evaluation_features_hash: Mapped[str | None]  # the same of the evaluation split
    seed: Mapped[int]
    measures_epochs: Mapped[bool] = mapped_column(server_default=text("false"))
    state: Mapped[str] = mapped_column(server_default=ProjectState.DRAFT)
    # The next dense index of each split: assigned under the project's lock, so without gaps.
    n_pool: Mapped[int] = mapped_column(server_default=text("0"))
    n_evaluation: Mapped[int] = mapped_column(server_default=text("0"))
    # Kept under the same lock, so that polls need not count rows: pool items whose label came from
    # annotators, from the import, and items that were skipped.
    n_labeled: Mapped[int] = mapped_column(server_default=text("0"))
    n_imported: Mapped[int] = mapped_column(server_default=text("0"))
    n_skipped: Mapped[int] = mapped_column(server_default=text("0"))
    # Rises with every change of a resolved label: tells what a snapshot has seen.
    label_version: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = created_now()
    finished_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]  # since when it only can be read
    # When content of an item was last erased or replaced: older packs still hold it.
    erased_at: Mapped[datetime | None]


class Item(Base):
    """One thing to be labeled. Never updated by leasing: leases live on batch_item_slots."""

    __tablename__ = "items"
    __table_args__ = (
        # Importing an item again changes nothing.
        UniqueConstraint("project_id", "external_id"),
        # Each item has one dense index in its split: the arrays' index space.
        UniqueConstraint("project_id", "split", "index"),
        # Whether a stored image is still needed is asked whenever one is deleted.
        Index(
            "ix_items_content_hash",
            "content_hash",
            postgresql_where=text("content_hash IS NOT NULL AND image_uri IS NULL"),
        ),
        one_of("split", Split),
        CheckConstraint("(text IS NULL) <> (content_hash IS NULL)", "text_or_image"),
        # Evaluation items carry their class: they give every accuracy that the service shows.
        CheckConstraint("split = 'pool' OR class_index IS NOT NULL", "evaluation_has_class"),
    )

    id: Mapped[int] = primary_key()
    project_id: Mapped[int] = reference("projects.id")
    split: Mapped[str]
    index: Mapped[int]
    external_id: Mapped[str]
    text: Mapped[str | None]
    content_hash: Mapped[str | None]  # SHA-256 of the image file's bytes
    image_uri: Mapped[str | None]  # where the bytes lie; NULL = in the artifact store
    width: Mapped[int | None]
    height: Mapped[int | None]
    channels: Mapped[int | None] = mapped_column(SmallInteger)
    class_index: Mapped[int | None] = mapped_column(SmallInteger)  # class given at import
    # What users say about the item; exported, never learned. (SQLAlchemy keeps the plain name.)
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    created_at: Mapped[datetime] = created_now()
    # Erased items keep their place in the index and nothing else; they are set aside, too.
    erased_at: Mapped[datetime | None]


class SetAsideItem(Base):
    """An item whose content could not be read: no selection or training uses it until it can."""

    __tablename__ = "set_aside_items"
    __table_args__ = (Index(None, "project_id", "item_id"),)

    item_id: Mapped[int] = mapped_column(
        ForeignKey("items.id", ondelete=CASCADE), primary_key=True, autoincrement=False
    )
    project_id: Mapped[int] = reference("projects.id")
    reason: Mapped[str]
    set_aside_at: Mapped[datetime] = created_now()
