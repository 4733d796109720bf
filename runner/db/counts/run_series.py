"""The numbers of a run over time: the table `run_series`, written with the counters and equal to them in sum.

Each column is the part of one counter that belongs to a bucket of time and a model (`COLUMNS`). So what a
column counts stands in `db.counts.counters`; it is booked in this way:

| columns | time | model |
|---|---|---|
| sent, refused_for_now, polls, succeeded, failed | when it was written | that the job asks for |
| priced, tokens, reported_ticks, estimated_ticks, latency_ms | when the answer was received | that answered |
| possible_ticks | when it was written | that answered, else that the job asks for |

What is taken back later (a poll that was not sent, a job that is sent again, a cost that is restated) is
subtracted when it is taken back. So a bucket may be negative. A sum over all buckets of a run is its counter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from runner.db import statements
from runner.rules.bucket_width import width_s
from runner.rules.throughput import EndedLately

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

# run, kind, key, model, and the time in seconds since 1970 (UTC); None is the time of writing
CountKey = tuple[int, str, str, str, int | None]

SHARDS: Final = 4  # fewer than of counters: each is a row a bucket, and a lock is held for the commit alone
COLUMNS: Final = {  # in the order of the statement's columns: the counter that each column has the parts of
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
_PLACES: Final = {counter: place for place, counter in enumerate(COLUMNS.values())}
_ADDED: Final = statements.read("series_added")
_ADDED_ON: Final = {
    dialect: replace(_ADDED, sql=_ADDED.sql.format(now_s=now_s))
    for dialect, now_s in (
        ("sqlite", "CAST(strftime('%s', 'now') AS INTEGER)"),
        ("postgresql", "CAST(floor(extract(epoch FROM clock_timestamp())) AS BIGINT)"),
    )
}


def add(connection: Connection, shard: int, counts: Mapping[CountKey, int]) -> None:
    """Add what was counted to the buckets of its runs; nothing is written where no column changes."""
    rows: dict[tuple[int, str, int | None], list[int]] = {}
    for (run_id, kind, key, model, at_s), n in counts.items():
        column = _PLACES.get((kind, key))
        if column is not None and n:
            rows.setdefault((run_id, model, at_s), [0] * len(_PLACES))[column] += n
    changed = [(*place, shard, *numbers) for place, numbers in rows.items() if any(numbers)]
    _ADDED_ON[connection.dialect.name].with_rows(connection, changed)


def begin_bucket(connection: Connection, run_id: int, now_ms: int) -> None:
    """Begin a bucket at a start of a run, so that a rate since then has nothing from before in it."""
    query = text("SELECT COALESCE(started_at_ms, created_at_ms) FROM runs WHERE id = :run")
    started_ms = connection.execute(query, {"run": run_id}).scalar_one()
    names, zeros = ", ".join(COLUMNS), ", ".join(["0"] * len(COLUMNS))
    connection.execute(
        text(
            f"INSERT INTO run_series (run_id, at_ms, model, shard, width_s, {names})"
            f" VALUES (:run, :now, '', 0, :width, {zeros}) ON CONFLICT DO NOTHING"
        ),
        {"run": run_id, "now": now_ms, "width": width_s(now_ms // 1_000, started_ms // 1_000)},
    )


def ended_since(connection: Connection, run_id: int, since_ms: int) -> EndedLately:
    """Return the jobs of a run that succeeded or failed in the buckets that begin at a time or later."""
    rows = connection.execute(
        text(
            "SELECT at_ms, width_s, SUM(succeeded + failed) AS ended FROM run_series"
            " WHERE run_id = :run AND at_ms >= :since GROUP BY at_ms, width_s ORDER BY at_ms"
        ),
        {"run": run_id, "since": since_ms},
    )
    return EndedLately(since_ms=since_ms, buckets=[(row.at_ms, row.width_s, int(row.ended)) for row in rows])


def mend(connection: Connection, run_id: int) -> bool:
    """Add what the series of a run lacks of its counters; return whether it lacked anything.

    A worker of an older version leaves it so. Time and model of that are not known: it is booked now, under
    the model "".
    """
    missing = _missing(connection, run_id)
    add(connection, 0, {(run_id, *COLUMNS[name], "", None): n for name, n in missing.items()})
    return any(missing.values())


def is_behind(connection: Connection, run_id: int) -> bool:
    """Return whether the series of a run lacks something of its counters."""
    return any(_missing(connection, run_id).values())


def _missing(connection: Connection, run_id: int) -> dict[str, int]:
    """Return by how much each column is too low.

    In one statement: two would see what is committed in between.
    """
    each = ", ".join(
        f"(SELECT COALESCE(SUM(n), 0) FROM run_counters WHERE run_id = :run AND kind = '{kind}'"
        f" AND key = '{key}') - COALESCE(SUM({name}), 0) AS {name}"
        for name, (kind, key) in COLUMNS.items()
    )
    query = text(f"SELECT {each} FROM run_series WHERE run_id = :run")
    return {name: int(n) for name, n in connection.execute(query, {"run": run_id}).mappings().one().items()}
