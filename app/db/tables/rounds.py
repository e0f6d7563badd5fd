"""Rounds, the items that each selected, and their slots: what annotators hold."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import CASCADE, Base, created_now, in_states, one_of, primary_key, reference
from app.domain.states import LIVE_ROUND_STATES, BatchItemState, RoundState


class BatchSource(StrEnum):
    """BATCH items complete a round; RESERVE items keep annotators busy meanwhile."""

    BATCH = "batch"
    RESERVE = "reserve"


class SkipReason(StrEnum):
    """The reason why an item cannot be labeled; a comment may say more."""

    UNREADABLE = "unreadable"
    AMBIGUOUS = "ambiguous"
    NO_CLASS_FITS = "no_class_fits"
    DUPLICATE = "duplicate"
    SENSITIVE = "sensitive"
    OTHER = "other"


class Round(Base):
    """One train-select-label cycle."""

    __tablename__ = "rounds"
    __table_args__ = (
        UniqueConstraint("project_id", "number"),
        # One live round per project.
        Index(
            "uq_rounds_one_live",
            "project_id",
            unique=True,
            postgresql_where=in_states("state", LIVE_ROUND_STATES),
        ),
        one_of("state", RoundState),
    )

    id: Mapped[int] = primary_key()
    project_id: Mapped[int] = reference("projects.id")
    number: Mapped[int]
    state: Mapped[str]
    failed_in: Mapped[str | None]  # the state that a failed round goes back to
    strategy: Mapped[str]  # may differ from the project's: uniform while classes are missing
    budget: Mapped[int]
    n_labeled: Mapped[int | None]  # labels that the selection knew
    model_id: Mapped[int | None] = mapped_column(ForeignKey("models.id", ondelete="SET NULL"))
    seconds: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    cpu_seconds: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    ranking_hash: Mapped[str | None]  # artifact: the ranked indices and scores
    # All that decided the ranking, beside the labels' snapshot: `svp replay-selection` repeats it.
    selection: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    # The project's proxy, selection and trigger when the round was created: what it is run with,
    # whatever is changed meanwhile.
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    predictions_hash: Mapped[str | None]  # artifact: the proxy's classes of a fixed pool sample
    # Read agreement with those of the round before: n, agreement, kappa, round.
    stability: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    created_at: Mapped[datetime] = created_now()
    labeling_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]


class BatchItem(Base):
    """An item that a round selected, for its batch or its reserve."""

    __tablename__ = "batch_items"
    __table_args__ = (
        UniqueConstraint("round_id", "item_id"),
        # An item is live in one batch: at most one row per item that is not withdrawn.
        Index(
            "uq_batch_items_item_live",
            "item_id",
            unique=True,
            postgresql_where=text("state <> 'withdrawn'"),
        ),
        Index(
            "ix_batch_items_open",
            "project_id",
            "source",
            "round_id",
            "rank",
            postgresql_where=text("state = 'open'"),
        ),
        # Where a filled slot alone can commit an open item; the others are committed by a lease.
        Index(
            "ix_batch_items_several",
            "project_id",
            postgresql_where=text("state = 'open' AND (labels_wanted > 1 OR is_requeued)"),
        ),
        Index(None, "project_id", "state"),
        Index(None, "item_id"),  # what falls with an item
        one_of("state", BatchItemState),
        one_of("source", BatchSource),
    )

    id: Mapped[int] = primary_key()
    project_id: Mapped[int] = reference("projects.id")
    round_id: Mapped[int] = reference("rounds.id")
    item_id: Mapped[int] = reference("items.id")
    source: Mapped[str]
    rank: Mapped[int]  # 0 = best; reserve follows the batch
    score: Mapped[float]
    state: Mapped[str] = mapped_column(server_default=BatchItemState.OPEN)
    # Drawn uniformly from the pool, not by the strategy: the batch's unbiased sample.
    is_control: Mapped[bool] = mapped_column(server_default=text("false"))
    suggestion_class: Mapped[int | None] = mapped_column(SmallInteger)
    suggestion_confidence: Mapped[float | None]
    labels_wanted: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    # Handed out again by an admin: stays open, and in the budget, until it is labeled or skipped.
    is_requeued: Mapped[bool] = mapped_column(server_default=text("false"))
    skip_reason: Mapped[str | None]
    skip_comment: Mapped[str | None]
    skipped_by: Mapped[int | None] = mapped_column(ForeignKey("annotators.id", ondelete=CASCADE))
    resolved_at: Mapped[datetime | None]


class BatchItemSlot(Base):
    """One answer wanted for a batch item: free, leased until an instant, or filled by a label."""

    __tablename__ = "batch_item_slots"
    __table_args__ = (
        # Never one item twice to one annotator, once a statement has moved leases between slots.
        UniqueConstraint(
            "batch_item_id",
            "leased_by",
            name="uq_batch_item_slots_annotator",
            deferrable=True,
            initially="IMMEDIATE",
        ),
        Index(
            "ix_batch_item_slots_lease",
            "project_id",
            "leased_until",
            postgresql_where=text("leased_until IS NOT NULL AND NOT filled"),
        ),
        # What is kept for one annotator or for adjudicators is found without reading the batch.
        Index(
            "ix_batch_item_slots_kept",
            "project_id",
            "reserved_for",
            postgresql_where=text(
                "leased_by IS NULL AND (reserved_for IS NOT NULL OR for_adjudicator)"
            ),
        ),
        CheckConstraint("NOT filled OR leased_by IS NOT NULL", "filled_by_someone"),
        CheckConstraint(
            "filled OR (leased_by IS NULL) = (leased_until IS NULL)", "lease_has_owner_and_end"
        ),
    )

    batch_item_id: Mapped[int] = mapped_column(
        ForeignKey("batch_items.id", ondelete=CASCADE), primary_key=True, autoincrement=False
    )
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    project_id: Mapped[int] = reference("projects.id")
    leased_by: Mapped[int | None] = mapped_column(ForeignKey("annotators.id", ondelete=CASCADE))
    leased_until: Mapped[datetime | None]
    filled: Mapped[bool] = mapped_column(server_default=text("false"))
    reserved_for: Mapped[int | None] = mapped_column(
        ForeignKey("annotators.id", ondelete="SET NULL")
    )  # reassigned: nobody else gets it
    for_adjudicator: Mapped[bool] = mapped_column(server_default=text("false"))
