"""Sessions in a browser, links that sign in, memberships; tokens of leads and readers.

Revision ID: 0028
Revises: 0027
Create Date: 2026-11-30
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

ROLES = "role IN ('admin', 'lead', 'annotator', 'reader')"
NOW = sa.func.now()


def _instant(name: str, *, nullable: bool = False, **options: object) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, **options)  # type: ignore[arg-type]


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True)


def _reference(name: str, target: str, *, nullable: bool = False) -> sa.Column[int]:
    key = sa.ForeignKey(target, ondelete="CASCADE")
    return sa.Column(name, sa.BigInteger(), key, nullable=nullable)


def upgrade() -> None:
    op.drop_constraint(op.f("ck_tokens_role_known"), "tokens")
    op.create_check_constraint("role_known", "tokens", ROLES)
    op.create_table(
        "memberships",
        _id(),
        _reference("annotator_id", "annotators.id"),
        _reference("project_id", "projects.id", nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        _instant("created_at", server_default=NOW),
        sa.CheckConstraint(ROLES, name="role_known"),
        sa.UniqueConstraint("annotator_id", "project_id", postgresql_nulls_not_distinct=True),
    )
    op.create_table(
        "web_sessions",
        _id(),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False, unique=True),
        _reference("annotator_id", "annotators.id"),
        _reference("token_id", "tokens.id", nullable=True),
        _instant("created_at", server_default=NOW),
        _instant("last_seen_at", server_default=NOW),
        _instant("expires_at"),
        _instant("revoked_at", nullable=True),
    )
    op.create_table(
        "sign_in_links",
        _id(),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False, unique=True),
        _reference("annotator_id", "annotators.id"),
        _instant("created_at", server_default=NOW),
        _instant("expires_at"),
        _instant("used_at", nullable=True),
    )


def downgrade() -> None:
    for table in ("sign_in_links", "web_sessions", "memberships"):
        op.drop_table(table)
    op.drop_constraint(op.f("ck_tokens_role_known"), "tokens")
    op.execute("DELETE FROM tokens WHERE role NOT IN ('admin', 'annotator')")
    op.create_check_constraint("role_known", "tokens", "role IN ('admin', 'annotator')")
