"""What the process of a job has logged.

Revision ID: 0042
Revises: 0037
Create Date: 2026-12-01
"""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("log", sa.Text()))


def downgrade() -> None:
    op.drop_column("jobs", "log")
