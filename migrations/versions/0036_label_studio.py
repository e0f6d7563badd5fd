"""Connections to Label Studio, its tasks, annotations and users.

Revision ID: 0036
Revises: 0038
Create Date: 2026-12-01
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0038"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "label_studio_connections",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("uid", sa.Uuid(), nullable=False, server_default=sa.text("gen_random_uuid()")),
        _reference("project_id", "projects.id", unique=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("project_there", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("public_url", sa.Text()),
        sa.Column("webhook_secret", sa.Text(), nullable=False),
        sa.Column("webhook_id", sa.BigInteger()),
        sa.Column("round_end", sa.Text(), nullable=False, server_default="delete"),
        *(
            sa.Column(name, INSTANT)
            for name in ("read_until", "listed_at", "begun_at", "synced_at", "failed_at")
        ),
        sa.Column("n_foreign", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("n_failures", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("error_code", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("holder", sa.Uuid()),
        sa.Column("held_by", sa.Text()),
        sa.Column("held_until", INSTANT),
        _created(),
        sa.CheckConstraint("round_end IN ('delete', 'keep')", name="round_end_known"),
    )
    op.create_table(
        "label_studio_tasks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        _reference("connection_id", "label_studio_connections.id"),
        _reference("item_id", "items.id", index=True),
        _reference("batch_item_id", "batch_items.id", nullable=True, index=True),
        sa.Column("place", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("task_id", sa.BigInteger()),
        sa.Column("state", sa.Text(), nullable=False, server_default="pushing"),
        sa.Column("was_annotated", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("image_until", INSTANT),
        _created(),
        sa.UniqueConstraint("connection_id", "task_id"),
        sa.CheckConstraint(
            "state IN ('pushing', 'live', 'duplicate', 'deleting', 'gone')", name="state_known"
        ),
    )
    op.create_index(
        "uq_label_studio_tasks_item",
        "label_studio_tasks",
        ["connection_id", "item_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('pushing', 'live')"),
    )
    op.create_table(
        "label_studio_annotations",
        _reference("connection_id", "label_studio_connections.id", primary_key=True),
        sa.Column("annotation_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        _reference("task_row", "label_studio_tasks.id"),
        _reference("annotator_id", "annotators.id", index=True),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("answer", sa.Text()),
        sa.Column("seconds", sa.Double()),
        sa.Column("is_skip", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("is_deleted", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("is_pending", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("code", sa.Text()),
    )
    op.create_index(
        "ix_label_studio_annotations_task_row_annotator_id",
        "label_studio_annotations",
        ["task_row", "annotator_id"],
    )
    op.create_index(
        "ix_label_studio_annotations_pending",
        "label_studio_annotations",
        ["connection_id"],
        postgresql_where=sa.text("is_pending"),
    )
    op.create_table(
        "label_studio_wakes",
        _reference("connection_id", "label_studio_connections.id", primary_key=True),
        sa.Column("woken_at", INSTANT, nullable=False),
    )
    op.create_table(
        "label_studio_users",
        _reference("connection_id", "label_studio_connections.id", primary_key=True),
        sa.Column("user_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        _reference("annotator_id", "annotators.id", index=True),
    )


def downgrade() -> None:
    for name in ("users", "wakes", "annotations", "tasks", "connections"):
        op.drop_table(f"label_studio_{name}")


def _reference(  # noqa: PLR0913 - a column's parts
    name: str,
    target: str,
    *,
    nullable: bool = False,
    unique: bool | None = None,
    index: bool | None = None,
    primary_key: bool = False,
) -> sa.Column[int]:
    return sa.Column(
        name,
        sa.BigInteger(),
        sa.ForeignKey(target, ondelete="CASCADE"),
        nullable=nullable,
        unique=unique,
        index=index,
        primary_key=primary_key,
        autoincrement=False,
    )


def _created() -> sa.Column[object]:
    return sa.Column("created_at", INSTANT, nullable=False, server_default=sa.func.now())
