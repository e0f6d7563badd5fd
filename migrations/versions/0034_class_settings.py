"""Classes have hints and an order, and can be retired.

Revision ID: 0034
Revises: 0033
Create Date: 2026-11-30
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "projects", sa.Column("class_settings", JSONB(), server_default="{}", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("projects", "class_settings")
