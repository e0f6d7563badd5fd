"""Core-sets of the labeled items, and their jobs.

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-24
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KINDS = "'select', 'train_and_select', 'train_target'"
LIVE = "state IN ('queued', 'running')"


def upgrade() -> None:
    op.create_table(
        "coresets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("budget", sa.BigInteger(), nullable=False),
        sa.Column("class_balance", sa.Boolean(), nullable=False),
        sa.Column("initial_uniform", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("recipe", JSONB(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("n_labeled", sa.BigInteger()),
        sa.Column("label_version", sa.BigInteger()),
        sa.Column("seconds", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("provenance", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("weights_hash", sa.Text()),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.CheckConstraint(
            "budget >= 1 AND initial_uniform BETWEEN 0 AND budget", name=op.f("ck_coresets_budget")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_coresets_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coresets")),
    )  # fmt: skip
    op.create_index(op.f("ix_coresets_project_id_id"), "coresets", ["project_id", "id"])
    op.create_table(
        "coreset_items",
        sa.Column("coreset_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rank", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("class_index", sa.SmallInteger(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["coreset_id"], ["coresets.id"], name=op.f("fk_coreset_items_coreset_id_coresets"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["item_id"], ["items.id"], name=op.f("fk_coreset_items_item_id_items"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("coreset_id", "rank", name=op.f("pk_coreset_items")),
        sa.UniqueConstraint(
            "coreset_id", "item_id", name=op.f("uq_coreset_items_coreset_id_item_id")
        ),
    )  # fmt: skip
    op.add_column("jobs", sa.Column("coreset_id", sa.BigInteger()))
    op.create_foreign_key(
        op.f("fk_jobs_coreset_id_coresets"), "jobs", "coresets", ["coreset_id"], ["id"],
        ondelete="CASCADE",
    )  # fmt: skip
    op.create_index(op.f("ix_jobs_coreset_id"), "jobs", ["coreset_id"])
    op.drop_constraint("ck_jobs_kind_known", "jobs")
    op.create_check_constraint(
        op.f("ck_jobs_kind_known"), "jobs", f"kind IN ({KINDS}, 'select_coreset')"
    )
    _one_live_job("coalesce(round_id, 0)", "coalesce(coreset_id, 0)")


def downgrade() -> None:
    op.execute("DELETE FROM jobs WHERE kind = 'select_coreset'")
    op.drop_constraint("ck_jobs_kind_known", "jobs")
    op.create_check_constraint(op.f("ck_jobs_kind_known"), "jobs", f"kind IN ({KINDS})")
    _one_live_job("coalesce(round_id, 0)")
    op.drop_index("ix_jobs_coreset_id", "jobs")
    op.drop_constraint("fk_jobs_coreset_id_coresets", "jobs")
    op.drop_column("jobs", "coreset_id")
    op.drop_table("coreset_items")
    op.drop_table("coresets")


def _one_live_job(*parts: str) -> None:
    op.drop_index("uq_jobs_one_live", "jobs")
    op.create_index(
        "uq_jobs_one_live",
        "jobs",
        ["project_id", "kind", *(sa.text(part) for part in parts)],
        unique=True,
        postgresql_where=sa.text(LIVE),
    )
