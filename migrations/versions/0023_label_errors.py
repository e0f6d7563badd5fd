"""Labels that are likely wrong: a kind of analysis, and what it suspects.

Revision ID: 0023
Revises: 0022
Create Date: 2026-11-30
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

KINDS = "'labels_saved', 'audit'"


def upgrade() -> None:
    op.create_table(
        "suspected_labels",
        sa.Column("analysis_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rank", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("class_index", sa.SmallInteger(), nullable=False),
        sa.Column("suggested_class", sa.SmallInteger(), nullable=False),
        sa.Column("suggested_probability", sa.Double(), nullable=False),
        sa.Column("label_probability", sa.Double(), nullable=False),
        sa.Column("suspicion", sa.Double(), nullable=False),
        sa.Column("reasons", ARRAY(sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["analysis_id"],
            ["analyses.id"],
            name=op.f("fk_suspected_labels_analysis_id_analyses"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["item_id"],
            ["items.id"],
            name=op.f("fk_suspected_labels_item_id_items"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("analysis_id", "rank", name=op.f("pk_suspected_labels")),
        sa.UniqueConstraint(
            "analysis_id", "item_id", name=op.f("uq_suspected_labels_analysis_id_item_id")
        ),
    )
    _know_kinds(f"{KINDS}, 'label_errors'")


def downgrade() -> None:
    op.execute("DELETE FROM analyses WHERE kind = 'label_errors'")
    _know_kinds(KINDS)
    op.drop_table("suspected_labels")


def _know_kinds(kinds: str) -> None:
    op.drop_constraint("ck_analyses_kind_known", "analyses")
    op.create_check_constraint(op.f("ck_analyses_kind_known"), "analyses", f"kind IN ({kinds})")
