"""Webhooks and their messages.

Revision ID: 0038
Revises: 0040
Create Date: 2026-12-01
"""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0040"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "webhooks",
        _primary_key(),
        _reference("project_id", "projects.id"),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("events", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        _created_at(),
        sa.Column("disabled_at", INSTANT),
        sa.Column("disabled_reason", sa.Text()),
        sa.Column("n_failures", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("failing_since", INSTANT),
        sa.Column("retry_at", INSTANT),
        sa.Column("last_seconds", sa.Double()),
        sa.Column("served_at", INSTANT),
        sa.Column("claim_token", sa.Uuid()),
        sa.Column("claimed_until", INSTANT),
    )
    op.create_index("ix_webhooks_project_id", "webhooks", ["project_id"])
    op.create_table(
        "webhook_deliveries",
        _primary_key(),
        sa.Column(
            "message_id", sa.Uuid(), nullable=False, server_default=sa.func.gen_random_uuid()
        ),
        _reference("webhook_id", "webhooks.id"),
        _reference("event_id", "events.id", nullable=True),
        sa.Column("state", sa.Text(), nullable=False, server_default=sa.text("'pending'")),
        sa.Column("n_attempts", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("last_status", sa.BigInteger()),
        sa.Column("last_error", sa.Text()),
        _created_at(),
        sa.Column("first_tried_at", INSTANT),
        sa.Column("tried_at", INSTANT),
        sa.Column("ended_at", INSTANT),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'dead')", name="state_known"),
        sa.UniqueConstraint("event_id", "webhook_id"),
    )
    columns = ["webhook_id", "id"]
    op.create_index("ix_webhook_deliveries_of_webhook", "webhook_deliveries", columns)
    op.create_index(
        "ix_webhook_deliveries_pending",
        "webhook_deliveries",
        columns,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_webhook_deliveries_ended",
        "webhook_deliveries",
        ["ended_at"],
        postgresql_where=sa.text("state <> 'pending'"),
    )


def downgrade() -> None:
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")


def _primary_key() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True)


def _reference(name: str, target: str, *, nullable: bool = False) -> sa.Column[int]:
    key = sa.ForeignKey(target, ondelete="CASCADE")
    return sa.Column(name, sa.BigInteger(), key, nullable=nullable)


def _created_at() -> sa.Column[object]:
    return sa.Column("created_at", INSTANT, nullable=False, server_default=sa.func.now())
