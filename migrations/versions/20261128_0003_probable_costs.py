"""The probable cost of answers that could not be read, beside the possible one; the dearest answer by model.

Rows from before get the mean cost of their run's answers as probable cost, at most their possible cost, which
also stands where the run has no answer with a cost.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_UNREAD = "(possible_ticks > 0 OR probable_ticks > 0)"
_SET_MEAN = """
    UPDATE attempts SET probable_ticks = COALESCE((
    SELECT SUM(CASE WHEN c.kind = 'ticks' THEN c.n ELSE 0 END)
           / NULLIF(SUM(CASE WHEN c.kind = 'attempts' THEN c.n ELSE 0 END), 0)
    FROM run_counters c WHERE c.run_id = attempts.job_id >> 32
    AND ((c.kind = 'ticks' AND c.key IN ('reported', 'estimated'))
         OR (c.kind = 'attempts' AND c.key = 'collected'))), possible_ticks)
    WHERE possible_ticks > 0 AND outcome <> 'refused'
"""
_COUNTERS = (
    """
    SELECT job_id >> 32, 'ticks', 'probable_extra', 0, SUM(probable_ticks) FROM attempts
    WHERE probable_ticks > 0 GROUP BY job_id >> 32
    """,
    """
    SELECT job_id >> 32, 'unread', 'answers', 0, COUNT(*) FROM attempts
    WHERE possible_ticks > 0 AND outcome <> 'refused' GROUP BY job_id >> 32
    """,
    """
    SELECT job_id >> 32, 'unread', 'refused_prompts', 0, COUNT(*) FROM attempts
    WHERE possible_ticks > 0 AND outcome = 'refused' GROUP BY job_id >> 32
    """,
    """
    SELECT job_id >> 32, 'dearest', model, 0, MAX(ticks) FROM attempts
    WHERE ticks > 0 AND model IS NOT NULL GROUP BY job_id >> 32, model
    """,
)


def upgrade() -> None:
    """Add the column, its index and its counters."""
    op.add_column("attempts", sa.Column("probable_ticks", sa.BigInteger()))
    op.execute("UPDATE attempts SET probable_ticks = 0 WHERE possible_ticks IS NOT NULL")
    op.execute(_SET_MEAN)
    op.execute(
        "UPDATE attempts SET probable_ticks = possible_ticks"
        " WHERE possible_ticks > 0 AND probable_ticks > possible_ticks"
    )
    for query in _COUNTERS:
        op.execute(f"INSERT INTO run_counters (run_id, kind, key, shard, n) {query}")
    where = sa.text(_UNREAD)
    op.create_index("ix_attempts_unread", "attempts", ["job_id"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_attempts_unread", "attempts")
    op.drop_column("attempts", "probable_ticks")
    op.execute(
        "DELETE FROM run_counters WHERE kind IN ('unread', 'dearest')"
        " OR (kind = 'ticks' AND key IN ('probable_extra', 'probable_unavailable'))"
    )
