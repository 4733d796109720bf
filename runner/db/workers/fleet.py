"""The workers for a person: which there are, what they have in flight, and which are draining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Row, text

from runner.db.counts import counters
from runner.db.runs import runs
from runner.db.workers.workers import ALIVE_MS
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

_OUTSTANDING: Final = (JobState.WAITING, JobState.COLLECTING)


def workers(connection: Connection) -> list[Row[Any]]:
    """Return all workers on record, oldest first, each with the number of jobs that it has in flight.

    They are found by the index of jobs that a process has in hand, which has no others.
    """
    query = text(
        "SELECT w.*, COALESCE(leased.jobs, 0) AS in_flight FROM workers w LEFT JOIN"
        " (SELECT lease_owner, COUNT(*) AS jobs FROM jobs"
        " WHERE state IN ('submitting', 'collecting', 'stored') GROUP BY lease_owner) AS leased"
        " ON leased.lease_owner = w.id ORDER BY w.id"
    )
    return list(connection.execute(query))


def drain(connection: Connection, ids: Sequence[int], now_ms: int) -> list[int]:
    """Mark workers as draining, save those that have ended or drain already; return their ids, sorted."""
    if not ids:
        return []
    listed = ", ".join(str(int(worker)) for worker in ids)
    query = text(
        f"UPDATE workers SET draining_at_ms = :now WHERE id IN ({listed}) AND ended_at_ms IS NULL"
        " AND draining_at_ms IS NULL RETURNING id"
    )
    return sorted(connection.execute(query, {"now": now_ms}).scalars())


def count_not_draining(connection: Connection, now_ms: int) -> int:
    """Return how many workers count as alive and are not draining."""
    query = text(
        "SELECT COUNT(*) FROM workers WHERE ended_at_ms IS NULL AND draining_at_ms IS NULL"
        " AND seen_at_ms >= :since"
    )
    return int(connection.execute(query, {"since": now_ms - ALIVE_MS}).scalar_one())


def is_drained(connection: Connection, host: str, pid: int) -> bool:
    """Return whether the newest worker of a host with a process id is, or was, draining."""
    query = text(
        "SELECT draining_at_ms FROM workers WHERE host = :host AND pid = :pid ORDER BY id DESC LIMIT 1"
    )
    found = connection.execute(query, {"host": host, "pid": pid}).scalar_one_or_none()
    return found is not None


def count_outstanding(connection: Connection) -> int:
    """Return how many answers of all runs are at the API, to be collected."""
    total = 0
    for run in runs.active_runs(connection):
        states = counters.jobs_by_state(counters.read(connection, run.id, "state"))
        total += sum(states[state] for state in _OUTSTANDING)
    return total
