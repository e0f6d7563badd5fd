"""Advice on the proxy: a kind of analysis.

Revision ID: 0024
Revises: 0023
Create Date: 2026-11-30
"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

KINDS = "'labels_saved', 'audit', 'label_errors'"


def upgrade() -> None:
    _know_kinds(f"{KINDS}, 'proxy_advice'")


def downgrade() -> None:
    op.execute("DELETE FROM analyses WHERE kind = 'proxy_advice'")
    _know_kinds(KINDS)


def _know_kinds(kinds: str) -> None:
    op.drop_constraint("ck_analyses_kind_known", "analyses")
    op.create_check_constraint(op.f("ck_analyses_kind_known"), "analyses", f"kind IN ({kinds})")
