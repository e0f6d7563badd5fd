"""Options of selections, brought features, the control arm, and what decided a ranking.

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-25
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("projects", "rounds"):
        op.add_column(
            table, sa.Column("selection", JSONB(), server_default=sa.text("'{}'"), nullable=False)
        )
    op.add_column("projects", sa.Column("features_hash", sa.Text()))
    op.add_column(
        "projects",
        sa.Column("n_featured", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column(
        "batch_items",
        sa.Column("is_control", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("batch_items", "is_control")
    op.drop_column("projects", "n_featured")
    op.drop_column("projects", "features_hash")
    for table in ("rounds", "projects"):
        op.drop_column(table, "selection")
