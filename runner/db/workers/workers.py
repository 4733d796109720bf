"""The table `workers`: worker processes, the owners of leases, with their heartbeats."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, text

from runner import __version__

ALIVE_MS: Final = 30_000  # a worker counts as alive for this time after its last heartbeat


class Heartbeats(NamedTuple):
    """`alive`: workers that count as alive. `last_ms`: last heartbeat or end of any; None without workers."""

    alive: int
    last_ms: int | None


def register(connection: Connection, *, host: str, node: str, pid: int, now_ms: int) -> int:
    """Register a worker process of this version; return its id. `node` names its queue."""
    return int(
        connection.execute(
            text(
                "INSERT INTO workers (host, node, pid, started_at_ms, seen_at_ms, version)"
                " VALUES (:host, :node, :pid, :now, :now, :version) RETURNING id"
            ),
            {"host": host, "node": node, "pid": pid, "now": now_ms, "version": __version__},
        ).scalar_one()
    )


def record_heartbeat(connection: Connection, worker: int, now_ms: int) -> bool:
    """Record a heartbeat of a worker; return whether it is to drain."""
    query = text("UPDATE workers SET seen_at_ms = :now WHERE id = :id RETURNING draining_at_ms")
    row = connection.execute(query, {"id": worker, "now": now_ms}).one_or_none()
    return row is not None and row.draining_at_ms is not None


def record_end(connection: Connection, worker: int, now_ms: int) -> None:
    """Record that a worker has ended and that its leases were released."""
    connection.execute(
        text("UPDATE workers SET ended_at_ms = :now WHERE id = :id AND ended_at_ms IS NULL"),
        {"id": worker, "now": now_ms},
    )


def without_end(connection: Connection, host: str) -> list[int]:
    """Return the ids of the workers of one host whose end was not recorded."""
    rows = connection.execute(
        text("SELECT id FROM workers WHERE host = :host AND ended_at_ms IS NULL ORDER BY id"), {"host": host}
    )
    return [row.id for row in rows]


def heartbeats_by_pid(connection: Connection, host: str) -> dict[int, int]:
    """Return the last heartbeats (ms) of a host's workers that have not ended, by pid."""
    rows = connection.execute(
        text("SELECT pid, seen_at_ms FROM workers WHERE host = :host AND ended_at_ms IS NULL ORDER BY id"),
        {"host": host},
    )
    return {row.pid: row.seen_at_ms for row in rows}


def alive(connection: Connection, since_ms: int) -> list[Row[Any]]:
    """Return the workers that have not ended and had a heartbeat since a time, oldest first."""
    return list(
        connection.execute(
            text(
                "SELECT id, host, node, pid, started_at_ms, seen_at_ms FROM workers"
                " WHERE ended_at_ms IS NULL AND seen_at_ms >= :since ORDER BY id"
            ),
            {"since": since_ms},
        )
    )


def heartbeats(connection: Connection, now_ms: int) -> Heartbeats:
    """Return how many workers count as alive, and when one of them all was last seen."""
    query = text(
        "SELECT COUNT(CASE WHEN ended_at_ms IS NULL AND seen_at_ms >= :since THEN 1 END),"
        " MAX(COALESCE(ended_at_ms, seen_at_ms)) FROM workers"
    )
    return Heartbeats._make(connection.execute(query, {"since": now_ms - ALIVE_MS}).one())
