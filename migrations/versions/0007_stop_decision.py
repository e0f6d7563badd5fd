"""The decision to stop labeling is kept with its reasons.

Revision ID: 0007
Revises: 0006
Create Date: 2026-11-25
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("projects", sa.Column("stop_reasons", ARRAY(sa.Text())))


def downgrade() -> None:
    op.drop_column("projects", "stop_reasons")
