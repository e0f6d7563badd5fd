"""Connections to Label Studio that a lead has made reach allowed hosts alone.

Revision ID: 0046
Revises: 0043
Create Date: 2026-12-01
"""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0043"
branch_labels = None
depends_on = None

TABLE = "label_studio_connections"


def upgrade() -> None:
    column: sa.Column[bool] = sa.Column(
        "is_guarded", sa.Boolean(), server_default=sa.false(), nullable=False
    )
    op.add_column(TABLE, column)


def downgrade() -> None:
    op.drop_column(TABLE, "is_guarded")
