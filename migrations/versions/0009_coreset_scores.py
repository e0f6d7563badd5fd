"""The scores of all labeled items by a core-set's selection model, by epoch; seeds of its draws.

Revision ID: 0009
Revises: 0008
Create Date: 2026-11-26
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("coresets", sa.Column("draw_seed", sa.BigInteger()))
    op.add_column(
        "coresets",
        sa.Column(
            "score_epochs", ARRAY(sa.BigInteger()), server_default=sa.text("'{}'"), nullable=False
        ),
    )
    op.create_table(
        "coreset_scores",
        sa.Column("coreset_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("accuracy", sa.Float()),
        sa.Column("train_seconds", sa.Float(), nullable=False),
        sa.Column("scores_hash", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["coreset_id"], ["coresets.id"], name=op.f("fk_coreset_scores_coreset_id_coresets"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("coreset_id", "epoch", name=op.f("pk_coreset_scores")),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_table("coreset_scores")
    op.drop_column("coresets", "score_epochs")
    op.drop_column("coresets", "draw_seed")
