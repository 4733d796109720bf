"""The occasion of a run; a run that has none keeps NULL."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("runs", sa.Column("occasion", sa.String(64)))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("runs", "occasion")
