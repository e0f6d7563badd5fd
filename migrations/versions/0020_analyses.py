"""Keeps what models predict of items that measure them; analyses with jobs of their own.

Revision ID: 0020
Revises: 0019
Create Date: 2026-11-30
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

KINDS = "'select', 'train_and_select', 'train_target', 'select_core_set', 'pack'"
ONE_LIVE = "uq_jobs_one_live"
LIVE = sa.text("state IN ('queued', 'running')")


def upgrade() -> None:
    op.add_column("models", sa.Column("predictions_hash", sa.Text()))
    op.add_column("models", sa.Column("evaluation", JSONB(), server_default="{}", nullable=False))
    op.create_table(
        "analyses",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("options", JSONB(), nullable=False),
        sa.Column("n_labeled", sa.BigInteger()),
        sa.Column("label_version", sa.BigInteger()),
        sa.Column("result", JSONB()),
        sa.Column("result_hash", sa.Text()),
        sa.Column("seconds", JSONB(), server_default="{}", nullable=False),
        sa.Column("cpu_seconds", JSONB(), server_default="{}", nullable=False),
        sa.Column("provenance", JSONB(), server_default="{}", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("kind IN ('labels_saved')", name=op.f("ck_analyses_kind_known")),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_analyses_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analyses")),
    )
    op.create_index(
        op.f("ix_analyses_project_id_kind_id"), "analyses", ["project_id", "kind", "id"]
    )
    op.add_column("jobs", sa.Column("analysis_id", sa.BigInteger()))
    op.create_foreign_key(
        op.f("fk_jobs_analysis_id_analyses"),
        "jobs",
        "analyses",
        ["analysis_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index(op.f("ix_jobs_analysis_id"), "jobs", ["analysis_id"])
    _know_kinds(f"{KINDS}, 'analyze'")
    _one_live("round_id", "core_set_id", "analysis_id")


def downgrade() -> None:
    op.execute("DELETE FROM jobs WHERE kind = 'analyze'")
    _one_live("round_id", "core_set_id")
    _know_kinds(KINDS)
    op.drop_index(op.f("ix_jobs_analysis_id"), "jobs")
    op.drop_column("jobs", "analysis_id")
    op.drop_table("analyses")
    op.drop_column("models", "evaluation")
    op.drop_column("models", "predictions_hash")


def _know_kinds(kinds: str) -> None:
    op.drop_constraint("ck_jobs_kind_known", "jobs")
    op.create_check_constraint(op.f("ck_jobs_kind_known"), "jobs", f"kind IN ({kinds})")


def _one_live(*causes: str) -> None:
    op.drop_index(ONE_LIVE, "jobs")
    columns = [sa.text(f"coalesce({cause}, 0)") for cause in causes]
    op.create_index(
        ONE_LIVE, "jobs", ["project_id", "kind", *columns], unique=True, postgresql_where=LIVE
    )
