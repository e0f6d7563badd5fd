"""Maps of a project's items: a kind of analysis.

Revision ID: 0030
Revises: 0029
Create Date: 2026-11-30
"""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

KINDS = "'labels_saved', 'audit', 'label_errors', 'proxy_advice'"


def upgrade() -> None:
    _know_kinds(f"{KINDS}, 'map'")


def downgrade() -> None:
    op.execute("DELETE FROM analyses WHERE kind = 'map'")
    _know_kinds(KINDS)


def _know_kinds(kinds: str) -> None:
    op.drop_constraint("ck_analyses_kind_known", "analyses")
    op.create_check_constraint(op.f("ck_analyses_kind_known"), "analyses", f"kind IN ({kinds})")
