"""What attempts may have cost whose answer nobody could read: never less than they had reserved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.db import bulk
from runner.db.job_ids import run_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.counters import Deltas
    from runner.db.outcomes import Back
    from runner.rules.states import Event


def count_extras(connection: Connection, event: Event, rows: Sequence[Back], deltas: Deltas) -> None:
    """Count extras, with their possible cost."""
    reserved = _reserved(connection, [(row.lease.job_id, row.lease.attempt) for row in rows])
    for row in rows:
        ticks = max(row.possible_ticks, reserved.get(row.lease.job_id, 0))
        deltas.add(row.lease.run_id, "extra", event)
        deltas.add(row.lease.run_id, "ticks", "possible_extra", ticks)


def count_unpriced(connection: Connection, ended: Sequence[tuple[int, int]], deltas: Deltas) -> None:
    """Count what these (job, attempt) had reserved, which ended without a price and are no such extras."""
    for job_id, ticks in _reserved(connection, ended).items():
        deltas.add(run_of(job_id), "ticks", "unpriced", ticks)


def _reserved(connection: Connection, keys: Sequence[tuple[int, int]]) -> dict[int, int]:
    if not keys:
        return {}
    found = bulk.execute(
        connection,
        [("job_id", "BIGINT"), ("attempt", "INT")],
        keys,
        "SELECT attempts.job_id, attempts.reserved_ticks FROM v JOIN attempts"
        " ON attempts.job_id = v.job_id AND attempts.attempt = v.attempt"
        " WHERE attempts.reserved_ticks IS NOT NULL",
    )
    return {row.job_id: row.reserved_ticks for row in found}
