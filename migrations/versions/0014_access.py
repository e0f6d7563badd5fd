"""Annotators of a tool's token, keys that sign URLs, and labels that do not count.

Revision ID: 0014
Revises: 0013
Create Date: 2026-11-30
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tokens", sa.Column("annotators", postgresql.ARRAY(sa.Text()), nullable=True))
    op.add_column(
        "tokens",
        sa.Column("max_annotators", sa.BigInteger(), server_default=sa.text("50"), nullable=False),
    )
    # Whoever has used a tool's token until now goes on: no cap that they have not been told of.
    op.execute("UPDATE tokens SET max_annotators = 1000000 WHERE act_as")
    op.create_table(
        "token_annotators",
        sa.Column("token_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("annotator_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["token_id"],
            ["tokens.id"],
            name=op.f("fk_token_annotators_token_id_tokens"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["annotator_id"],
            ["annotators.id"],
            name=op.f("fk_token_annotators_annotator_id_annotators"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_id", "annotator_id", name=op.f("pk_token_annotators")),
    )
    op.create_table(
        "signing_keys",
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("purpose", name=op.f("pk_signing_keys")),
    )
    op.add_column(
        "labels",
        sa.Column("is_excluded", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_index(
        "ix_labels_annotator",
        "labels",
        ["project_id", "annotator_id"],
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_labels_annotator", "labels")
    op.drop_column("labels", "is_excluded")
    op.drop_table("signing_keys")
    op.drop_table("token_annotators")
    op.drop_column("tokens", "max_annotators")
    op.drop_column("tokens", "annotators")
