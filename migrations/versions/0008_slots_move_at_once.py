"""An annotator's lease may move from one slot of an item to another in one statement.

Revision ID: 0008
Revises: 0007
Create Date: 2026-11-25
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

NAME, TABLE, COLUMNS = (
    "uq_batch_item_slots_annotator",
    "batch_item_slots",
    ["batch_item_id", "leased_by"],
)


def upgrade() -> None:
    op.drop_index(NAME, table_name=TABLE)
    op.create_unique_constraint(NAME, TABLE, COLUMNS, deferrable=True, initially="IMMEDIATE")


def downgrade() -> None:
    op.drop_constraint(NAME, TABLE)
    op.create_index(NAME, TABLE, COLUMNS, unique=True)
