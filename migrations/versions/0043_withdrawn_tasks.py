"""Tasks of Label Studio that we deleted ourselves are told from those that somebody deleted there.

Revision ID: 0043
Revises: 0042
Create Date: 2026-12-01
"""

from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

TABLE = "label_studio_tasks"
STATES = "'pushing', 'live', 'duplicate', 'deleting', 'gone'"


def upgrade() -> None:
    op.drop_constraint(op.f("ck_label_studio_tasks_state_known"), TABLE)
    _know(f"{STATES}, 'withdrawn'")


def downgrade() -> None:
    op.execute("UPDATE label_studio_tasks SET state = 'gone' WHERE state = 'withdrawn'")
    op.drop_constraint(op.f("ck_label_studio_tasks_state_known"), TABLE)
    _know(STATES)


def _know(states: str) -> None:
    name = op.f("ck_label_studio_tasks_state_known")
    op.create_check_constraint(name, TABLE, f"state IN ({states})")
