"""Lets the labels of the last hour be counted without reading the others.

Revision ID: 0029
Revises: 0028
Create Date: 2026-11-30
"""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_labels_project_id_created_at", "labels", ["project_id", "created_at"])


def downgrade() -> None:
    op.drop_index("ix_labels_project_id_created_at", "labels")
