"""Labels by annotators that came with an import: they belong to no batch item.

Revision ID: 0044
Revises: 0046
Create Date: 2026-12-01
"""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0046"
branch_labels = None
depends_on = None

TABLE = "labels"
KEY = ["item_id", "annotator_id"]
IS_STANDING = "withdrawn_at IS NULL"
COUNTS = ("n_labels", "n_skips")


def upgrade() -> None:
    op.alter_column(TABLE, "batch_item_id", nullable=True)
    op.drop_index("uq_labels_standing", TABLE)
    for name, is_null in (("uq_labels_standing", "IS NOT NULL"), ("uq_labels_imported", "IS NULL")):
        where = sa.text(f"{IS_STANDING} AND batch_item_id {is_null}")
        op.create_index(name, TABLE, KEY, unique=True, postgresql_where=where)
    op.create_check_constraint(
        op.f("ck_labels_imported"),
        TABLE,
        "batch_item_id IS NOT NULL OR NOT (is_adjudication OR on_reserve)",
    )
    for name in COUNTS:
        column = sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        op.add_column("imports", column)


def downgrade() -> None:
    for name in COUNTS:
        op.drop_column("imports", name)
    # What they were resolved by goes; their classes stay, as imported ones.
    op.execute("DELETE FROM labels WHERE batch_item_id IS NULL")
    op.execute(
        "UPDATE items SET class_index = r.class_index FROM resolved_labels r "
        "WHERE r.item_id = items.id AND r.source = 'import' AND r.method <> 'imported'"
    )
    op.execute(
        "UPDATE resolved_labels SET method = 'imported', agreement = 1, confidence = NULL "
        "WHERE source = 'import'"
    )
    op.drop_constraint(op.f("ck_labels_imported"), TABLE)
    op.drop_index("uq_labels_imported", TABLE)
    op.drop_index("uq_labels_standing", TABLE)
    op.create_index(
        "uq_labels_standing", TABLE, KEY, unique=True, postgresql_where=sa.text(IS_STANDING)
    )
    op.alter_column(TABLE, "batch_item_id", nullable=False)
