"""Jobs that pack the contents of items.

Revision ID: 0017
Revises: 0016
Create Date: 2026-11-30
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

KINDS = "'select', 'train_and_select', 'train_target', 'select_core_set'"


def upgrade() -> None:
    op.drop_constraint("ck_jobs_kind_known", "jobs")
    op.create_check_constraint(op.f("ck_jobs_kind_known"), "jobs", f"kind IN ({KINDS}, 'pack')")


def downgrade() -> None:
    op.execute("DELETE FROM jobs WHERE kind = 'pack'")
    op.drop_constraint("ck_jobs_kind_known", "jobs")
    op.create_check_constraint(op.f("ck_jobs_kind_known"), "jobs", f"kind IN ({KINDS})")
