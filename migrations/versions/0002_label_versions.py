"""Label versions, so that models trained on an old answer are known; withdrawn labels.

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-24
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ZERO = sa.text("0")
FALSE = sa.text("false")


def upgrade() -> None:
    for table in ("projects", "resolved_labels", "models"):
        version = sa.Column("label_version", sa.BigInteger(), nullable=False, server_default=ZERO)
        op.add_column(table, version)
    op.add_column("labels", sa.Column("withdrawn_at", sa.DateTime(timezone=True)))
    op.add_column(
        "labels", sa.Column("on_reserve", sa.Boolean(), nullable=False, server_default=FALSE)
    )
    op.drop_constraint("uq_labels_item_id_annotator_id", "labels")
    op.create_index(
        "uq_labels_standing",
        "labels",
        ["item_id", "annotator_id"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )
    op.add_column("jobs", sa.Column("snapshot_version", sa.BigInteger()))
    op.add_column(
        "jobs", sa.Column("snapshot_stale", sa.Boolean(), nullable=False, server_default=FALSE)
    )


def downgrade() -> None:
    op.drop_column("jobs", "snapshot_stale")
    op.drop_column("jobs", "snapshot_version")
    op.drop_index("uq_labels_standing", "labels")
    op.execute("DELETE FROM labels WHERE withdrawn_at IS NOT NULL")
    op.create_unique_constraint(
        "uq_labels_item_id_annotator_id", "labels", ["item_id", "annotator_id"]
    )
    op.drop_column("labels", "on_reserve")
    op.drop_column("labels", "withdrawn_at")
    for table in ("models", "resolved_labels", "projects"):
        op.drop_column(table, "label_version")
