"""Workers that are to drain, and the version of each worker."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two columns that are NULL in old rows: a worker without a version cannot drain.

    A worker of an older version still registers itself and sends heartbeats: it names neither column.
    """
    op.add_column("workers", sa.Column("version", sa.String(32)))
    op.add_column("workers", sa.Column("draining_at_ms", sa.BigInteger()))


def downgrade() -> None:
    """Drop them; a worker that is draining still ends, if it knows by then."""
    op.drop_column("workers", "draining_at_ms")
    op.drop_column("workers", "version")
