"""Finds the items that are committed without reading all that is open.

Revision ID: 0019
Revises: 0018
Create Date: 2026-11-30
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_batch_items_several",
        "batch_items",
        ["project_id"],
        postgresql_where=sa.text("state = 'open' AND (labels_wanted > 1 OR is_requeued)"),
    )


def downgrade() -> None:
    op.drop_index("ix_batch_items_several", "batch_items")
