"""Triggers, automatic stop, what each round was run with, and the stability of predictions.

Revision ID: 0006
Revises: 0005
Create Date: 2026-11-25
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ADDED = (
    ("projects", "trigger"),
    ("projects", "stop_when"),
    ("rounds", "settings"),
    ("rounds", "stability"),
)


def upgrade() -> None:
    for table, column in ADDED:
        op.add_column(
            table, sa.Column(column, JSONB(), server_default=sa.text("'{}'"), nullable=False)
        )
    op.add_column("rounds", sa.Column("predictions_hash", sa.Text()))
    # Until now nothing of a project could be changed: all its rounds were run with its settings.
    op.execute(
        "UPDATE rounds SET settings = jsonb_build_object("
        "'proxy', p.proxy, 'selection', p.selection, 'trigger', p.trigger) "
        "FROM projects p WHERE p.id = rounds.project_id"
    )


def downgrade() -> None:
    op.drop_column("rounds", "predictions_hash")
    for table, column in reversed(ADDED):
        op.drop_column(table, column)
