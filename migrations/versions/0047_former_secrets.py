"""A webhook's secret can be replaced; the former one signs beside it for a day.

Revision ID: 0047
Revises: 0044
Create Date: 2026-12-01
"""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("former_secret", sa.LargeBinary()))
    op.add_column("webhooks", sa.Column("former_until", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("webhooks", "former_until")
    op.drop_column("webhooks", "former_secret")
