"""Predictions that are asked for now.

Revision ID: 0039
Revises: 0041
Create Date: 2026-12-01
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0039"
down_revision = "0041"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "prediction_requests",
        sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.func.gen_random_uuid()),
        sa.Column(
            "model_id",
            sa.BigInteger(),
            sa.ForeignKey("models.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("contents", sa.ARRAY(sa.LargeBinary()), nullable=False),
        sa.Column("top", sa.BigInteger(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False, server_default=sa.func.now()),
        sa.Column("called_at", INSTANT),
        sa.Column("claimed_at", INSTANT),
        sa.Column("answer", JSONB()),
        prefixes=["UNLOGGED"],
    )
    op.create_index(
        "ix_prediction_requests_waiting",
        "prediction_requests",
        ["created_at"],
        postgresql_where=sa.text("claimed_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("prediction_requests")
