"""Imports that a worker does, and the lines that they refused.

Revision ID: 0026
Revises: 0025
Create Date: 2026-11-30
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

KINDS = "'select', 'train_and_select', 'train_target', 'select_core_set', 'pack', 'analyze'"
ONE_LIVE = "uq_jobs_one_live"
CAUSES = ("round_id", "core_set_id", "analysis_id")
LIVE = sa.text("state IN ('queued', 'running')")
COUNTS = ("n_done", "n_created", "n_updated", "n_known", "n_failed")


def upgrade() -> None:
    op.create_table(
        "imports",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text()),
        sa.Column("uri", sa.Text()),
        sa.Column("options", JSONB(), nullable=False),
        sa.Column("format", sa.Text()),
        *(sa.Column(n, sa.BigInteger(), server_default="0", nullable=False) for n in COUNTS),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(content_hash IS NULL) <> (uri IS NULL)",
            name=op.f("ck_imports_uploaded_or_addressed"),
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_imports_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_index(op.f("ix_imports_project_id_id"), "imports", ["project_id", "id"])
    op.create_table(
        "refused_import_lines",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.Text()),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["imports.id"],
            name=op.f("fk_refused_import_lines_import_id_imports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refused_import_lines")),
    )
    op.create_index(
        op.f("ix_refused_import_lines_import_id_id"), "refused_import_lines", ["import_id", "id"]
    )
    op.add_column("jobs", sa.Column("import_id", sa.BigInteger()))
    op.create_foreign_key(
        op.f("fk_jobs_import_id_imports"),
        "jobs",
        "imports",
        ["import_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index(op.f("ix_jobs_import_id"), "jobs", ["import_id"])
    _know_kinds(f"{KINDS}, 'import'")
    _one_live(*CAUSES, "import_id")


def downgrade() -> None:
    op.execute("DELETE FROM jobs WHERE kind = 'import'")
    _one_live(*CAUSES)
    _know_kinds(KINDS)
    op.drop_index(op.f("ix_jobs_import_id"), "jobs")
    op.drop_column("jobs", "import_id")
    op.drop_table("refused_import_lines")
    op.drop_table("imports")


def _know_kinds(kinds: str) -> None:
    op.drop_constraint("ck_jobs_kind_known", "jobs")
    op.create_check_constraint(op.f("ck_jobs_kind_known"), "jobs", f"kind IN ({kinds})")


def _one_live(*causes: str) -> None:
    op.drop_index(ONE_LIVE, "jobs")
    columns = [sa.text(f"coalesce({cause}, 0)") for cause in causes]
    op.create_index(
        ONE_LIVE, "jobs", ["project_id", "kind", *columns], unique=True, postgresql_where=LIVE
    )
