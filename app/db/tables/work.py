"""Tables of jobs and their products: models and core-sets."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import CASCADE, Base, created_now, in_states, one_of, primary_key, reference
from app.domain.states import LIVE_JOB_STATES, JobState


class JobKind(StrEnum):
    """The kind of work that a job asks for."""

    SELECT = "select"
    TRAIN_AND_SELECT = "train_and_select"
    TRAIN_TARGET = "train_target"
    SELECT_CORE_SET = "select_core_set"
    PACK = "pack"
    ANALYZE = "analyze"
    IMPORT = "import"
    EXPORT_LABELS = "export_labels"


class ModelRole(StrEnum):
    """PROXY selects; TARGET is delivered."""

    PROXY = "proxy"
    TARGET = "target"


class Job(Base):
    """Work for a worker. The row is the job; a Celery message is only a wake-up."""

    __tablename__ = "jobs"
    __table_args__ = (
        # One live job of a kind per round, per core-set, per analysis, import, export, or project.
        Index(
            "uq_jobs_one_live",
            "project_id",
            "kind",
            text("coalesce(round_id, 0)"),
            text("coalesce(core_set_id, 0)"),
            text("coalesce(analysis_id, 0)"),
            text("coalesce(import_id, 0)"),
            text("coalesce(label_export_id, 0)"),
            unique=True,
            postgresql_where=in_states("state", LIVE_JOB_STATES),
        ),
        Index("ix_jobs_live", "state", postgresql_where=in_states("state", LIVE_JOB_STATES)),
        one_of("state", JobState),
        one_of("kind", JobKind),
    )

    id: Mapped[int] = primary_key()
    project_id: Mapped[int] = reference("projects.id")
    round_id: Mapped[int | None] = mapped_column(ForeignKey("rounds.id", ondelete=CASCADE))
    core_set_id: Mapped[int | None] = mapped_column(
        ForeignKey("core_sets.id", ondelete=CASCADE), index=True
    )
    analysis_id: Mapped[int | None] = mapped_column(
        ForeignKey("analyses.id", ondelete=CASCADE), index=True
    )
    import_id: Mapped[int | None] = mapped_column(
        ForeignKey("imports.id", ondelete=CASCADE), index=True
    )
    label_export_id: Mapped[int | None] = mapped_column(
        ForeignKey("label_exports.id", ondelete=CASCADE), index=True
    )
    kind: Mapped[str]
    queue: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=JobState.QUEUED)
    token: Mapped[UUID | None]  # the fence: every write of a run carries it
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    max_attempts: Mapped[int]
    lost_workers: Mapped[int] = mapped_column(server_default=text("0"))  # not counted as attempts
    snapshot_hash: Mapped[str | None]  # artifact: the labeled set that every attempt trains on
    snapshot_version: Mapped[int | None]  # the project's label_version at the snapshot
    snapshot_stale: Mapped[bool] = mapped_column(server_default=text("false"))
    progress: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    error: Mapped[str | None]
    # What the process of its newest attempt wrote last. Read where it is asked for alone.
    log: Mapped[str | None] = mapped_column(deferred=True)
    request_id: Mapped[str | None]
    woken_at: Mapped[datetime] = created_now()  # when the last wake-up was sent
    created_at: Mapped[datetime] = created_now()
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    @property
    def is_aside(self) -> bool:
        """Whether somebody requested it apart from the project's rounds."""
        causes = (self.core_set_id, self.analysis_id, self.import_id, self.label_export_id)
        return any(cause is not None for cause in causes)


class Model(Base):
    """A trained model: its recipe, metrics and weights."""

    __tablename__ = "models"
    __table_args__ = (one_of("role", ModelRole), Index(None, "project_id", "id"))

    id: Mapped[int] = primary_key()
    project_id: Mapped[int] = reference("projects.id")
    round_number: Mapped[int | None]
    role: Mapped[str]
    name: Mapped[str]  # of models.catalog
    recipe: Mapped[dict[str, Any]]
    recipe_hash: Mapped[str]
    weights_hash: Mapped[str]
    n_labeled: Mapped[int]
    metrics: Mapped[dict[str, Any]]
    seconds: Mapped[dict[str, Any]]
    cpu_seconds: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    provenance: Mapped[dict[str, Any]]  # device, seed, versions
    label_version: Mapped[int] = mapped_column(server_default=text("0"))  # that it was trained on
    stale: Mapped[bool] = mapped_column(server_default=text("false"))
    predictions_hash: Mapped[str | None]  # artifact: of the evaluation split and a control arm
    # Of the evaluation split: confusion, calibration. Read where it is asked for alone.
    evaluation: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), deferred=True)
    created_at: Mapped[datetime] = created_now()


class CoreSet(Base):
    """A part of the labeled items to train on instead of all; its own job selects it."""

    __tablename__ = "core_sets"
    __table_args__ = (
        CheckConstraint("budget >= 1 AND initial_uniform BETWEEN 0 AND budget", "budget"),
        Index(None, "project_id", "id"),
    )

    id: Mapped[int] = primary_key()
    project_id: Mapped[int] = reference("projects.id")
    strategy: Mapped[str]
    budget: Mapped[int]  # items to keep
    class_balance: Mapped[bool]
    initial_uniform: Mapped[int]  # of the budget, drawn uniformly before the strategy looks
    model: Mapped[str]  # that selects, of models.catalog
    recipe: Mapped[dict[str, Any]]
    seed: Mapped[int]
    draw_seed: Mapped[int | None]  # of what is drawn, where it is not the seed
    # after which epochs of the selection model's training all items' scores are kept, ascending
    score_epochs: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=text("'{}'"))
    n_labeled: Mapped[int | None]  # items that it was selected from
    label_version: Mapped[int | None]  # the project's, at that moment
    seconds: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    cpu_seconds: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    provenance: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    weights_hash: Mapped[str | None]
    created_at: Mapped[datetime] = created_now()


class CoreSetItem(Base):
    """An item that a core-set keeps."""

    __tablename__ = "core_set_items"
    # An item is kept once. What falls with an item is found by an index.
    __table_args__ = (UniqueConstraint("core_set_id", "item_id"), Index(None, "item_id"))

    core_set_id: Mapped[int] = mapped_column(
        ForeignKey("core_sets.id", ondelete=CASCADE), primary_key=True, autoincrement=False
    )
    rank: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 0 = selected first
    item_id: Mapped[int] = reference("items.id")
    class_index: Mapped[int] = mapped_column(SmallInteger)  # the label that it was selected with
    score: Mapped[float]


class CoreSetScores(Base):
    """Scores of all labeled items by a core-set's selection model after one epoch."""

    __tablename__ = "core_set_scores"

    core_set_id: Mapped[int] = mapped_column(
        ForeignKey("core_sets.id", ondelete=CASCADE), primary_key=True, autoincrement=False
    )
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # from 1
    accuracy: Mapped[float | None]  # on the evaluation split; NULL without one
    train_seconds: Mapped[float]  # until then, without measurements
    train_cpu_seconds: Mapped[float | None]  # of all cores, until then
    scores_hash: Mapped[str]  # artifact of arrays over the labeled items


class Worker(Base):
    """A worker that serves jobs, or did until recently; it reports itself every few seconds."""

    __tablename__ = "workers"

    id: Mapped[UUID] = mapped_column(primary_key=True)  # of one run of a worker
    name: Mapped[str]  # host and process
    queues: Mapped[str]
    seen_at: Mapped[datetime] = created_now()
