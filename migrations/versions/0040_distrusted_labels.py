"""Labels whose annotator failed on gold, and whether the project excludes or keeps them.

Revision ID: 0040
Revises: 0035
Create Date: 2026-12-01
"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "labels",
        sa.Column("is_distrusted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.execute("UPDATE labels SET is_distrusted = true WHERE is_excluded")
    op.create_index(
        "ix_labels_distrusted",
        "labels",
        ["project_id"],
        postgresql_where=sa.text("is_distrusted AND withdrawn_at IS NULL"),
    )
    op.execute(
        "UPDATE projects SET annotation = annotation || "
        """'{"gold_action": "flag", "flagged_labels": "keep"}' """
        "WHERE annotation->>'gold_action' = 'keep'"
    )


def downgrade() -> None:
    op.execute(
        """UPDATE projects SET annotation = annotation || '{"gold_action": "keep"}' """
        "WHERE annotation->>'flagged_labels' = 'keep'"
    )
    op.execute("UPDATE projects SET annotation = annotation - 'flagged_labels'")
    op.drop_index("ix_labels_distrusted", table_name="labels")
    op.drop_column("labels", "is_distrusted")
