"""The tables and the constraints that carry the service's promises, each with its sentence.

States are text, checked against app.domain.states; instants are UTC by the database's clock.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    TextClause,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.domain.states import (
    LIVE_JOB_STATES,
    LIVE_ROUND_STATES,
    BatchItemState,
    JobState,
    ProjectState,
    RoundState,
)

CASCADE = "CASCADE"


class Base(DeclarativeBase):
    """Gives every constraint a name that migrations can refer to."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own hook
        str: Text,
        int: BigInteger,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: ARRAY(Text),
    }


class Split(StrEnum):
    """POOL items may be selected; EVALUATION items carry a class and measure every model."""

    POOL = "pool"
    EVALUATION = "evaluation"


class Role(StrEnum):
    """ADMIN may do all; ANNOTATOR may poll, label and skip."""

    ADMIN = "admin"
    ANNOTATOR = "annotator"


class LabelSource(StrEnum):
    """ANNOTATOR labels count in the budget; IMPORT labels came with their item."""

    ANNOTATOR = "annotator"
    IMPORT = "import"


class ConsensusSource(StrEnum):
    """What a resolved label rests on; all but IMPORTED on labels of annotators."""

    IMPORTED = "imported"
    MAJORITY = "majority"
    DAWID_SKENE = "dawid_skene"
    CROWDLAB = "crowdlab"
    ADJUDICATED = "adjudicated"


class SkipReason(StrEnum):
    """Why an item cannot be labeled; a comment may say more."""

    UNREADABLE = "unreadable"
    AMBIGUOUS = "ambiguous"
    NO_CLASS_FITS = "no_class_fits"
    DUPLICATE = "duplicate"
    SENSITIVE = "sensitive"
    OTHER = "other"


class BatchSource(StrEnum):
    """BATCH items complete a round; RESERVE items keep annotators busy meanwhile."""

    BATCH = "batch"
    RESERVE = "reserve"


class JobKind(StrEnum):
    """What a worker is asked to do."""

    SELECT = "select"
    TRAIN_AND_SELECT = "train_and_select"
    TRAIN_TARGET = "train_target"
    SELECT_CORESET = "select_coreset"


class ModelRole(StrEnum):
    """PROXY selects; TARGET is delivered."""

    PROXY = "proxy"
    TARGET = "target"


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """Return the constraint that keeps `column` within the enum."""
    allowed = ", ".join(f"'{v}'" for v in values)
    return CheckConstraint(f"{column} IN ({allowed})", name=f"{column}_known")


def in_states(column: str, states: frozenset[Any]) -> TextClause:
    """Return the SQL condition that `column` is one of `states`."""
    allowed = ", ".join(sorted(f"'{state}'" for state in states))
    return text(f"{column} IN ({allowed})")


def primary_key() -> Mapped[int]:
    """Return a generated primary key; never used for order of import (identities leave gaps)."""
    return mapped_column(BigInteger, Identity(always=True), primary_key=True)


def created_now() -> Mapped[datetime]:
    """Return a column filled by the database's clock."""
    return mapped_column(server_default=func.now())


def reference(target: str) -> Mapped[int]:
    """Return a foreign key that falls with what it refers to."""
    return mapped_column(ForeignKey(target, ondelete=CASCADE))


class Annotator(Base):
    """A person (or the oracle) who gives labels."""

    __tablename__ = "annotators"

    id: Mapped[int] = primary_key()
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = created_now()


class Token(Base):
    """A bearer token, stored as its SHA-256; the token is the annotator."""

    __tablename__ = "tokens"
    __table_args__ = (one_of("role", Role),)

    id: Mapped[int] = primary_key()
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    annotator_id: Mapped[int] = reference("annotators.id")
    role: Mapped[str]
    act_as: Mapped[bool] = mapped_column(server_default=text("false"))
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id", ondelete=CASCADE))
    created_at: Mapped[datetime] = created_now()
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


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
    name: Mapped[str] = mapped_column(unique=True)
    modality: Mapped[str]
    classes: Mapped[list[str]]
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
    stop_reasons: Mapped[list[str] | None]  # why stop_when held; stays until it or a budget changes
    features_hash: Mapped[str | None]  # artifact: brought features, a row for each pool item
    n_featured: Mapped[int] = mapped_column(server_default=text("0"))  # their rows
    seed: Mapped[int]
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


class Item(Base):
    """One thing to be labeled. Never updated by leasing: leases live on batch_item_slots."""

    __tablename__ = "items"
    __table_args__ = (
        # Importing an item again changes nothing.
        UniqueConstraint("project_id", "external_id"),
        # Each item has one dense index in its split: the arrays' index space.
        UniqueConstraint("project_id", "split", "index"),
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
    created_at: Mapped[datetime] = created_now()


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


class Label(Base):
    """One annotator's answer for one item; earlier answers stand in label_revisions."""

    __tablename__ = "labels"
    __table_args__ = (
        # One standing label per (item, annotator): handing in again is unchanged or a revision.
        Index(
            "uq_labels_standing",
            "item_id",
            "annotator_id",
            unique=True,
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
        Index(None, "project_id", "id"),
    )

    id: Mapped[int] = primary_key()
    project_id: Mapped[int] = reference("projects.id")
    item_id: Mapped[int] = reference("items.id")
    annotator_id: Mapped[int] = reference("annotators.id")
    batch_item_id: Mapped[int] = reference("batch_items.id")
    class_index: Mapped[int] = mapped_column(SmallInteger)
    seconds: Mapped[float | None]
    labels_behind: Mapped[int]  # labels resolved since the ranking that brought the item here
    on_reserve: Mapped[bool] = mapped_column(
        server_default=text("false")
    )  # not on the newest batch
    # Given by an annotator who was paused, by an admin or for their accuracy on gold.
    is_flagged: Mapped[bool] = mapped_column(server_default=text("false"))
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
    ranking_hash: Mapped[str | None]  # artifact: the ranked indices and scores
    # All that decided the ranking, beside the labels' snapshot: `svp replay-selection` repeats it.
    selection: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    # The project's proxy, selection and trigger when the round was created: what it is run with,
    # whatever is changed meanwhile.
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    predictions_hash: Mapped[str | None]  # artifact: the proxy's classes of a fixed pool sample
    # How far they agree with those of the round before: n, agreement, kappa, round.
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
        Index(None, "project_id", "state"),
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


class GoldItem(Base):
    """A pool item whose class is known, handed to annotators now and then to see how they do."""

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
    """An annotator whom a project hands nothing at present, and why."""

    __tablename__ = "paused_annotators"

    project_id: Mapped[int] = mapped_column(
        ForeignKey("projects.id", ondelete=CASCADE), primary_key=True, autoincrement=False
    )
    annotator_id: Mapped[int] = mapped_column(
        ForeignKey("annotators.id", ondelete=CASCADE), primary_key=True, autoincrement=False
    )
    reason: Mapped[str]
    paused_at: Mapped[datetime] = created_now()
    resumed_at: Mapped[datetime | None]  # gold answers before count no more


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
    provenance: Mapped[dict[str, Any]]  # device, seed, versions
    label_version: Mapped[int] = mapped_column(server_default=text("0"))  # that it was trained on
    stale: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = created_now()


class Coreset(Base):
    """A part of the labeled items to train on instead of all; made by a job of its own."""

    __tablename__ = "coresets"
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
    n_labeled: Mapped[int | None]  # items that it was selected from
    label_version: Mapped[int | None]  # the project's, at that moment
    seconds: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    provenance: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    weights_hash: Mapped[str | None]
    created_at: Mapped[datetime] = created_now()


class CoresetItem(Base):
    """An item that a core-set keeps."""

    __tablename__ = "coreset_items"
    # An item is kept once.
    __table_args__ = (UniqueConstraint("coreset_id", "item_id"),)

    coreset_id: Mapped[int] = mapped_column(
        ForeignKey("coresets.id", ondelete=CASCADE), primary_key=True, autoincrement=False
    )
    rank: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 0 = selected first
    item_id: Mapped[int] = reference("items.id")
    class_index: Mapped[int] = mapped_column(SmallInteger)  # the label that it was selected with
    score: Mapped[float]


class Job(Base):
    """Work for a worker. The row is the job; a Celery message is only a wake-up."""

    __tablename__ = "jobs"
    __table_args__ = (
        # One live job of a kind per round, or per core-set.
        Index(
            "uq_jobs_one_live",
            "project_id",
            "kind",
            text("coalesce(round_id, 0)"),
            text("coalesce(coreset_id, 0)"),
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
    coreset_id: Mapped[int | None] = mapped_column(
        ForeignKey("coresets.id", ondelete=CASCADE), index=True
    )
    kind: Mapped[str]
    queue: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=JobState.QUEUED)
    token: Mapped[UUID | None]  # the fence: every write of a run carries it
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    max_attempts: Mapped[int]
    snapshot_hash: Mapped[str | None]  # artifact: the labeled set that every attempt trains on
    snapshot_version: Mapped[int | None]  # the project's label_version at the snapshot
    snapshot_stale: Mapped[bool] = mapped_column(server_default=text("false"))
    progress: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    error: Mapped[str | None]
    request_id: Mapped[str | None]
    woken_at: Mapped[datetime] = created_now()  # when the last wake-up was sent
    created_at: Mapped[datetime] = created_now()
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Event(Base):
    """What happened, append-only: one row per change of state, and why. A trigger keeps it so."""

    __tablename__ = "events"
    __table_args__ = (Index(None, "project_id", "id"),)

    id: Mapped[int] = primary_key()
    project_id: Mapped[int] = reference("projects.id")
    name: Mapped[str]
    facts: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = created_now()
