"""Projects can be deleted.

Revision ID: 0031
Revises: 0030
Create Date: 2026-11-30
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

STATES = "'draft', 'running', 'paused', 'training_target', 'finished', 'cancelled'"
BY_ITEM = ("labels", "batch_items", "core_set_items", "suspected_labels")


def _now(name: str, *, nullable: bool = False) -> sa.Column[object]:
    default = None if nullable else sa.text("now()")
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "deleted_projects",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("uid", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("deleted_by", sa.Text(), nullable=False),
        sa.Column("n_items", sa.BigInteger(), nullable=False),
        _now("deleted_at"),
        _now("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deleted_projects")),
        sa.UniqueConstraint("uid", name=op.f("uq_deleted_projects_uid")),
    )
    op.create_table(
        "discarded_artifacts",
        sa.Column("hash", sa.Text(), nullable=False),
        _now("due_at"),
        sa.Column("project_id", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["deleted_projects.id"],
            name=op.f("fk_discarded_artifacts_project_id_deleted_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_discarded_artifacts")),
    )
    op.create_index(op.f("ix_discarded_artifacts_due_at"), "discarded_artifacts", ["due_at"])
    op.create_index(
        op.f("ix_discarded_artifacts_project_id"), "discarded_artifacts", ["project_id"]
    )
    for table in BY_ITEM:
        op.create_index(op.f(f"ix_{table}_item_id"), table, ["item_id"])
    op.create_index(op.f("ix_labels_batch_item_id"), "labels", ["batch_item_id"])
    op.create_index(
        "ix_items_content_hash",
        "items",
        ["content_hash"],
        postgresql_where=sa.text("content_hash IS NOT NULL AND image_uri IS NULL"),
    )
    _know_states(f"{STATES}, 'deleting'")


def downgrade() -> None:
    op.execute("DELETE FROM projects WHERE state = 'deleting'")
    _know_states(STATES)
    op.drop_index("ix_items_content_hash", "items")
    op.drop_index(op.f("ix_labels_batch_item_id"), "labels")
    for table in BY_ITEM:
        op.drop_index(op.f(f"ix_{table}_item_id"), table)
    op.drop_table("discarded_artifacts")
    op.drop_table("deleted_projects")


def _know_states(states: str) -> None:
    op.drop_constraint("ck_projects_state_known", "projects")
    op.create_check_constraint(op.f("ck_projects_state_known"), "projects", f"state IN ({states})")
