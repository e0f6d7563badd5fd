"""Audits of the proxy: a kind of analysis, and a project's rule.

Revision ID: 0022
Revises: 0021
Create Date: 2026-11-30
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "projects", sa.Column("audit", JSONB(), server_default=sa.text("'{}'"), nullable=False)
    )
    _know_kinds("'labels_saved', 'audit'")


def downgrade() -> None:
    op.execute("DELETE FROM analyses WHERE kind = 'audit'")
    _know_kinds("'labels_saved'")
    op.drop_column("projects", "audit")


def _know_kinds(kinds: str) -> None:
    op.drop_constraint("ck_analyses_kind_known", "analyses")
    op.create_check_constraint(op.f("ck_analyses_kind_known"), "analyses", f"kind IN ({kinds})")
