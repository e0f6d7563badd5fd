"""Overlap of a share of items, consensus and adjudication, gold, paused annotators, flags.

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-25
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

METHODS = "'imported', 'majority', 'dawid_skene', 'crowdlab', 'adjudicated'"
KEPT = "leased_by IS NULL AND (reserved_for IS NOT NULL OR for_adjudicator)"


def upgrade() -> None:
    op.add_column("projects", _with_default("annotation", JSONB(), "'{}'"))
    _add_columns_of_labels()
    _add_columns_of_batches()
    _create_gold()
    _create_paused_annotators()
    _create_item_flags()


def downgrade() -> None:
    for table in ("item_flags", "paused_annotators", "gold_answers", "gold_items"):
        op.drop_table(table)
    op.drop_index("ix_batch_item_slots_kept", "batch_item_slots")
    op.drop_column("batch_item_slots", "for_adjudicator")
    op.drop_column("batch_item_slots", "reserved_for")
    for column in ("skip_comment", "is_requeued", "labels_wanted"):
        op.drop_column("batch_items", column)
    for column in ("is_adjudication", "is_flagged"):
        op.drop_column("labels", column)
    for column in ("confidence", "agreement", "method"):
        op.drop_column("resolved_labels", column)
    op.drop_column("projects", "annotation")


def _add_columns_of_labels() -> None:
    op.add_column("resolved_labels", _with_default("method", sa.Text(), "'majority'"))
    op.execute("UPDATE resolved_labels SET method = 'imported' WHERE source = 'import'")
    op.create_check_constraint(
        op.f("ck_resolved_labels_method_known"), "resolved_labels", f"method IN ({METHODS})"
    )
    op.add_column("resolved_labels", _with_default("agreement", sa.Float(), "1"))
    op.add_column("resolved_labels", sa.Column("confidence", sa.Float()))
    op.add_column("labels", _with_default("is_flagged", sa.Boolean(), "false"))
    op.add_column("labels", _with_default("is_adjudication", sa.Boolean(), "false"))


def _add_columns_of_batches() -> None:
    op.add_column("batch_items", _with_default("labels_wanted", sa.SmallInteger(), "1"))
    op.execute(
        "UPDATE batch_items b SET labels_wanted = p.labels_per_item FROM projects p "
        "WHERE p.id = b.project_id AND p.labels_per_item > 1"
    )
    op.add_column("batch_items", _with_default("is_requeued", sa.Boolean(), "false"))
    op.add_column("batch_items", sa.Column("skip_comment", sa.Text()))
    op.add_column("batch_item_slots", sa.Column("reserved_for", sa.BigInteger()))
    op.create_foreign_key(
        op.f("fk_batch_item_slots_reserved_for_annotators"),
        "batch_item_slots", "annotators", ["reserved_for"], ["id"], ondelete="SET NULL",
    )  # fmt: skip
    op.add_column("batch_item_slots", _with_default("for_adjudicator", sa.Boolean(), "false"))
    op.create_index(
        "ix_batch_item_slots_kept",
        "batch_item_slots",
        ["project_id", "reserved_for"],
        postgresql_where=sa.text(KEPT),
    )


def _create_gold() -> None:
    op.create_table(
        "gold_items",
        sa.Column("item_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("class_index", sa.SmallInteger(), nullable=False),
        _created_at("created_at"),
        _falls_with("gold_items", "item_id", "items"),
        _falls_with("gold_items", "project_id", "projects"),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_gold_items")),
    )
    op.create_index(op.f("ix_gold_items_project_id"), "gold_items", ["project_id"])
    op.create_table(
        "gold_answers",
        sa.Column("item_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("annotator_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True)),
        sa.Column("class_index", sa.SmallInteger()),
        sa.Column("skipped_at", sa.DateTime(timezone=True)),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        _created_at("created_at"),
        _falls_with("gold_answers", "item_id", "gold_items", "item_id"),
        _falls_with("gold_answers", "annotator_id", "annotators"),
        _falls_with("gold_answers", "project_id", "projects"),
        sa.PrimaryKeyConstraint("item_id", "annotator_id", name=op.f("pk_gold_answers")),
    )
    op.create_index(
        op.f("ix_gold_answers_project_id_annotator_id"),
        "gold_answers",
        ["project_id", "annotator_id"],
    )


def _create_paused_annotators() -> None:
    op.create_table(
        "paused_annotators",
        sa.Column("project_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("annotator_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        _created_at("paused_at"),
        sa.Column("resumed_at", sa.DateTime(timezone=True)),
        _falls_with("paused_annotators", "project_id", "projects"),
        _falls_with("paused_annotators", "annotator_id", "annotators"),
        sa.PrimaryKeyConstraint("project_id", "annotator_id", name=op.f("pk_paused_annotators")),
    )


def _create_item_flags() -> None:
    op.create_table(
        "item_flags",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("annotator_id", sa.BigInteger(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        _created_at("created_at"),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        _falls_with("item_flags", "project_id", "projects"),
        _falls_with("item_flags", "item_id", "items"),
        _falls_with("item_flags", "annotator_id", "annotators"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item_flags")),
    )
    op.create_index(op.f("ix_item_flags_project_id_id"), "item_flags", ["project_id", "id"])
    op.create_index(op.f("ix_item_flags_item_id"), "item_flags", ["item_id"])


def _with_default(name: str, type_: sa.types.TypeEngine[Any], default: str) -> sa.Column[Any]:
    return sa.Column(name, type_, server_default=sa.text(default), nullable=False)


def _created_at(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)


def _falls_with(table: str, column: str, other: str, key: str = "id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{other}.{key}"], name=op.f(f"fk_{table}_{column}_{other}"), ondelete="CASCADE"
    )
