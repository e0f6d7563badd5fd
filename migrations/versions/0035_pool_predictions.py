"""Predictions of the pool: a kind of analysis.

Revision ID: 0035
Revises: 0034
Create Date: 2026-11-30
"""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

KINDS = "'labels_saved', 'audit', 'label_errors', 'proxy_advice', 'map'"


def upgrade() -> None:
    _know_kinds(f"{KINDS}, 'predictions'")


def downgrade() -> None:
    op.execute("DELETE FROM analyses WHERE kind = 'predictions'")
    _know_kinds(KINDS)


def _know_kinds(kinds: str) -> None:
    op.drop_constraint("ck_analyses_kind_known", "analyses")
    op.create_check_constraint(op.f("ck_analyses_kind_known"), "analyses", f"kind IN ({kinds})")
