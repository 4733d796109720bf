"""An index of cancelled jobs: they were found by reading all jobs of their run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_CANCELLED = sa.text("state = 'cancelled'")


def upgrade() -> None:
    """Add the index; no row is rewritten.

    It reads the table once. Meanwhile others read, and a write waits, as a lock of PostgreSQL.
    """
    op.create_index(
        "ix_jobs_cancelled",
        "jobs",
        ["run_id", "id"],
        sqlite_where=_CANCELLED,
        postgresql_where=_CANCELLED,
    )


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("ix_jobs_cancelled", table_name="jobs")
