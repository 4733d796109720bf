"""The numbers of runs over time, in buckets; those of runs from before are made once, from their attempts.

What a run's attempts do not say (polls of jobs that are out, corrections) is booked in its last bucket under
the model "", so that the sums of the buckets are the counters. A request is booked when its attempt ended.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_COUNTERS = {  # by column
    "sent": ("attempts", "sent"),
    "refused_for_now": ("attempts", "refused_for_now"),
    "polls": ("attempts", "polls"),
    "succeeded": ("state", "succeeded"),
    "failed": ("state", "failed"),
    "priced": ("attempts", "priced"),
    "prompt_tokens": ("tokens", "prompt"),
    "cached_tokens": ("tokens", "cached"),
    "completion_tokens": ("tokens", "completion"),
    "reasoning_tokens": ("tokens", "reasoning"),
    "total_tokens": ("tokens", "total"),
    "reported_ticks": ("ticks", "reported"),
    "estimated_ticks": ("ticks", "estimated"),
    "possible_ticks": ("ticks", "possible_extra"),
    "latency_ms": ("attempts", "latency_ms"),
}
_NEW_COUNTERS = ("sent", "priced", "latency_ms")
_INT = ("sent", "refused_for_now", "polls", "succeeded", "failed", "priced")
_OF_AN_ATTEMPT = {
    "sent": "CASE WHEN a.outcome IN ('not_sent', 'withheld') THEN 0 ELSE 1 END",
    "refused_for_now": "CASE WHEN a.outcome = 'refused_for_now' THEN 1 ELSE 0 END",
    "polls": "a.polls",
    "succeeded": "CASE WHEN j.state = 'succeeded' AND a.attempt = j.answered_by THEN 1 ELSE 0 END",
    "failed": (
        "CASE WHEN j.state = 'failed' AND a.attempt = COALESCE(j.answered_by, j.attempt) THEN 1 ELSE 0 END"
    ),
    "priced": "CASE WHEN a.ticks_source IN ('reported', 'estimated') THEN 1 ELSE 0 END",
    "prompt_tokens": "a.prompt_tokens",
    "cached_tokens": "a.cached_tokens",
    "completion_tokens": "a.completion_tokens",
    "reasoning_tokens": "a.reasoning_tokens",
    "total_tokens": "a.total_tokens",
    "reported_ticks": "CASE WHEN a.ticks_source = 'reported' THEN a.ticks ELSE 0 END",
    "estimated_ticks": "CASE WHEN a.ticks_source = 'estimated' THEN a.ticks ELSE 0 END",
    "possible_ticks": "a.possible_ticks",
    "latency_ms": (
        "CASE WHEN a.ticks_source IS NOT NULL AND a.collected_at_ms > a.accepted_at_ms"
        " THEN a.collected_at_ms - a.accepted_at_ms ELSE 0 END"
    ),
}
_NAMES = ", ".join(_COUNTERS)


def upgrade() -> None:
    """Make the table and fill it. It reads all attempts once; meanwhile others read and write them."""
    op.create_table(
        "run_series",
        sa.Column("run_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("width_s", sa.SmallInteger(), nullable=False),
        *(
            sa.Column(name, sa.Integer() if name in _INT else sa.BigInteger(), nullable=False)
            for name in _COUNTERS
        ),
        sa.PrimaryKeyConstraint("run_id", "at_ms", "model", "shard", name="pk_run_series"),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    query = sa.text("SELECT id, COALESCE(started_at_ms, created_at_ms) / 1000 FROM runs ORDER BY id")
    for run_id, started_s in connection.execute(query).all():
        connection.execute(sa.text(_fill(run_id, started_s)))
        _book_the_rest(connection, run_id)
    for name in _NEW_COUNTERS:
        kind, key = _COUNTERS[name]
        op.execute(
            "INSERT INTO run_counters (run_id, kind, key, shard, n)"
            f" SELECT run_id, '{kind}', '{key}', 0, SUM({name}) FROM run_series GROUP BY run_id"
        )


def downgrade() -> None:
    """Drop the table and the counters that came with it."""
    op.drop_table("run_series")
    keys = ", ".join(f"'{_COUNTERS[name][1]}'" for name in _NEW_COUNTERS)
    op.execute(f"DELETE FROM run_counters WHERE kind = 'attempts' AND key IN ({keys})")


def _fill(run_id: int, started_s: int) -> str:
    """Return the statement that makes the buckets of one run from its attempts."""
    sums = ", ".join(f"SUM({name})" for name in _COUNTERS)
    numbers = ", ".join(f"COALESCE({number}, 0) AS {name}" for name, number in _OF_AN_ATTEMPT.items())
    return f"""
    INSERT INTO run_series (run_id, at_ms, model, shard, width_s, {_NAMES})
    SELECT {run_id}, at_s / width_s * width_s * 1000, model, 0, width_s, {sums}
    FROM (
        SELECT timed.*,
            CASE
                WHEN at_s / 600 * 600 - {started_s} >= 43200 THEN 600
                WHEN at_s / 60 * 60 - {started_s} >= 3600 THEN 60
                ELSE 10
            END AS width_s
        FROM (
            SELECT COALESCE(a.model, j.model) AS model,
                COALESCE(a.collected_at_ms, a.marked_at_ms) / 1000 AS at_s, {numbers}
            FROM attempts a
            JOIN jobs j ON j.id = a.job_id
            WHERE a.job_id >= {run_id << 32} AND a.job_id < {(run_id + 1) << 32}
        ) AS timed
    ) AS placed
    GROUP BY at_s / width_s, width_s, model
    """


def _book_the_rest(connection: sa.Connection, run_id: int) -> None:
    """Book what a run's buckets lack of its counters in the last one; the new counters are not there yet."""
    old = {name: counter for name, counter in _COUNTERS.items() if name not in _NEW_COUNTERS}
    missing = ", ".join(
        f"(SELECT COALESCE(SUM(n), 0) FROM run_counters WHERE run_id = {run_id}"
        f" AND kind = '{kind}' AND key = '{key}') - SUM({name})"
        if name in old
        else "0"
        for name, (kind, key) in _COUNTERS.items()
    )
    connection.execute(
        sa.text(
            f"INSERT INTO run_series (run_id, at_ms, model, shard, width_s, {_NAMES})"
            f" SELECT {run_id}, MAX(at_ms), '', 0, (SELECT width_s FROM run_series WHERE run_id = {run_id}"
            f" ORDER BY at_ms DESC LIMIT 1), {missing} FROM run_series WHERE run_id = {run_id}"
            " HAVING COUNT(*) > 0"
        )
    )
