"""Stores CPU seconds beside the seconds of rounds, models and core-sets.

Revision ID: 0018
Revises: 0017
Create Date: 2026-11-30
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLES = ("rounds", "models", "core_sets")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("cpu_seconds", JSONB(), server_default="{}", nullable=False))
    op.add_column("core_set_scores", sa.Column("train_cpu_seconds", sa.Double()))


def downgrade() -> None:
    op.drop_column("core_set_scores", "train_cpu_seconds")
    for table in TABLES:
        op.drop_column(table, "cpu_seconds")
