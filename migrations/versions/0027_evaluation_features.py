"""Keeps which features were brought of the evaluation split.

Revision ID: 0027
Revises: 0026
Create Date: 2026-11-30
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("projects", sa.Column("evaluation_features_hash", sa.Text()))


def downgrade() -> None:
    op.drop_column("projects", "evaluation_features_hash")
