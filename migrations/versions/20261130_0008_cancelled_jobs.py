"""An index of cancelled jobs, which were found by reading their whole run; that of held jobs by code, too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add one index and replace another; no row is rewritten.

    It reads the table twice. Meanwhile others read it, and on PostgreSQL their writes wait.
    """
    op.drop_index("ix_jobs_held", table_name="jobs")
    _partial_index("ix_jobs_held", ["run_id", "error_code", "id"], "held")
    _partial_index("ix_jobs_cancelled", ["run_id", "id"], "cancelled")


def downgrade() -> None:
    """Drop the index, and make the other one as it was."""
    op.drop_index("ix_jobs_cancelled", table_name="jobs")
    op.drop_index("ix_jobs_held", table_name="jobs")
    _partial_index("ix_jobs_held", ["id"], "held")


def _partial_index(name: str, columns: list[str], state: str) -> None:
    condition = sa.text(f"state = '{state}'")
    op.create_index(name, "jobs", columns, sqlite_where=condition, postgresql_where=condition)
