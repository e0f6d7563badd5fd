"""Keeps what users say about their items.

Revision ID: 0021
Revises: 0020
Create Date: 2026-11-30
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("items", sa.Column("metadata", JSONB()))


def downgrade() -> None:
    op.drop_column("items", "metadata")
