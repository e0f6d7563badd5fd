"""Annotations of Label Studio have ids of our own: it gives those of deleted ones again.

Revision ID: 0037
Revises: 0039
Create Date: 2026-12-01
"""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0039"
branch_labels = None
depends_on = None

TABLE = "label_studio_annotations"


def upgrade() -> None:
    op.drop_constraint("pk_label_studio_annotations", TABLE)
    op.add_column(TABLE, sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False))
    op.create_primary_key(op.f("pk_label_studio_annotations"), TABLE, ["id"])
    op.create_index("ix_label_studio_annotations_connection_id", TABLE, ["connection_id"])
    op.create_index(
        "uq_label_studio_annotations_there",
        TABLE,
        ["connection_id", "annotation_id"],
        unique=True,
        postgresql_where=sa.text("NOT is_deleted"),
    )


def downgrade() -> None:
    op.drop_index("uq_label_studio_annotations_there", TABLE)
    op.drop_index("ix_label_studio_annotations_connection_id", TABLE)
    op.execute(
        f"DELETE FROM {TABLE} AS old USING {TABLE} AS new WHERE old.id < new.id "  # noqa: S608
        "AND old.connection_id = new.connection_id AND old.annotation_id = new.annotation_id"
    )
    op.drop_constraint("pk_label_studio_annotations", TABLE)
    op.drop_column(TABLE, "id")
    op.create_primary_key(
        op.f("pk_label_studio_annotations"), TABLE, ["connection_id", "annotation_id"]
    )
