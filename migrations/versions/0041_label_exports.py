"""Exports of labels that a worker writes.

Revision ID: 0041
Revises: 0036
Create Date: 2026-12-01
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0041"
down_revision = "0036"
branch_labels = None
depends_on = None

KINDS = "'select', 'train_and_select', 'train_target', 'select_core_set', 'pack', 'analyze'"
KINDS += ", 'import'"
ONE_LIVE = "uq_jobs_one_live"
CAUSES = ("round_id", "core_set_id", "analysis_id", "import_id")
LIVE = sa.text("state IN ('queued', 'running')")


def upgrade() -> None:
    op.create_table(
        "label_exports",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("options", JSONB(), nullable=False),
        sa.Column("n_labels", sa.BigInteger(), nullable=False),
        sa.Column("n_written", sa.BigInteger()),
        sa.Column("size_bytes", sa.BigInteger()),
        sa.Column("file_hash", sa.Text()),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_label_exports_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label_exports")),
    )
    op.create_index(op.f("ix_label_exports_project_id_id"), "label_exports", ["project_id", "id"])
    op.create_index(
        "ix_label_exports_expiry",
        "label_exports",
        ["expires_at"],
        postgresql_where=sa.text("file_hash <> ''"),
    )
    op.add_column("jobs", sa.Column("label_export_id", sa.BigInteger()))
    op.create_foreign_key(
        op.f("fk_jobs_label_export_id_label_exports"),
        "jobs",
        "label_exports",
        ["label_export_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index(op.f("ix_jobs_label_export_id"), "jobs", ["label_export_id"])
    _know_kinds(f"{KINDS}, 'export_labels'")
    _one_live(*CAUSES, "label_export_id")


def downgrade() -> None:
    op.execute("DELETE FROM jobs WHERE kind = 'export_labels'")
    _one_live(*CAUSES)
    _know_kinds(KINDS)
    op.drop_index(op.f("ix_jobs_label_export_id"), "jobs")
    op.drop_column("jobs", "label_export_id")
    op.drop_table("label_exports")


def _know_kinds(kinds: str) -> None:
    op.drop_constraint("ck_jobs_kind_known", "jobs")
    op.create_check_constraint(op.f("ck_jobs_kind_known"), "jobs", f"kind IN ({kinds})")


def _one_live(*causes: str) -> None:
    op.drop_index(ONE_LIVE, "jobs")
    columns = [sa.text(f"coalesce({cause}, 0)") for cause in causes]
    op.create_index(
        ONE_LIVE, "jobs", ["project_id", "kind", *columns], unique=True, postgresql_where=LIVE
    )
