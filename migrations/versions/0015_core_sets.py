"""Core-sets are spelled `core_set` everywhere: tables, columns, constraints and the kind of job.

Revision ID: 0015
Revises: 0014
Create Date: 2026-11-30
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TABLES = ("coresets", "coreset_items", "coreset_scores")
COLUMNS = ("coreset_items", "coreset_scores", "jobs")  # tables with a column coreset_id
CONSTRAINTS = {
    "coresets": ("pk_coresets", "ck_coresets_budget", "fk_coresets_project_id_projects"),
    "coreset_items": (
        "pk_coreset_items",
        "uq_coreset_items_coreset_id_item_id",
        "fk_coreset_items_coreset_id_coresets",
        "fk_coreset_items_item_id_items",
    ),
    "coreset_scores": ("pk_coreset_scores", "fk_coreset_scores_coreset_id_coresets"),
    "jobs": ("fk_jobs_coreset_id_coresets",),
}
INDEXES = ("ix_coresets_project_id_id", "ix_jobs_coreset_id")
KINDS = "'select', 'train_and_select', 'train_target'"


def upgrade() -> None:
    _rename("coreset", "core_set")


def downgrade() -> None:
    _rename("core_set", "coreset")


def _rename(old: str, new: str) -> None:
    for table, names in CONSTRAINTS.items():
        for name in names:
            op.execute(
                f"ALTER TABLE {_spelled(table, old)} "
                f"RENAME CONSTRAINT {_spelled(name, old)} TO {_spelled(name, new)}"
            )
    for name in INDEXES:
        op.execute(f"ALTER INDEX {_spelled(name, old)} RENAME TO {_spelled(name, new)}")
    for table in COLUMNS:
        op.alter_column(_spelled(table, old), f"{old}_id", new_column_name=f"{new}_id")
    for table in TABLES:
        op.rename_table(_spelled(table, old), _spelled(table, new))
    op.drop_constraint("ck_jobs_kind_known", "jobs")
    renamed = sa.text("UPDATE jobs SET kind = :new WHERE kind = :old")
    op.execute(renamed.bindparams(new=f"select_{new}", old=f"select_{old}"))
    op.create_check_constraint(
        op.f("ck_jobs_kind_known"), "jobs", f"kind IN ({KINDS}, 'select_{new}')"
    )


def _spelled(name: str, word: str) -> str:
    return name.replace("coreset", word)
