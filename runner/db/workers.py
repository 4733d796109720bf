"""Worker processes on record: owners of leases, with a sign of life."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row, text

ALIVE_MS: Final = 30_000  # so long after its last sign of life a worker counts as alive


def enter(connection: Connection, *, host: str, node: str, pid: int, now_ms: int) -> int:
    """Put a worker process on record; return its id."""
    return int(
        connection.execute(
            text(
                "INSERT INTO workers (host, node, pid, started_at_ms, seen_at_ms)"
                " VALUES (:host, :node, :pid, :now, :now) RETURNING id"
            ),
            {"host": host, "node": node, "pid": pid, "now": now_ms},
        ).scalar_one()
    )


def seen(connection: Connection, worker: int, now_ms: int) -> None:
    """Note that a worker lives."""
    connection.execute(
        text("UPDATE workers SET seen_at_ms = :now WHERE id = :id"), {"id": worker, "now": now_ms}
    )


def leave(connection: Connection, worker: int, now_ms: int) -> None:
    """Note that a worker has ended and that its leases are settled."""
    connection.execute(
        text("UPDATE workers SET ended_at_ms = :now WHERE id = :id AND ended_at_ms IS NULL"),
        {"id": worker, "now": now_ms},
    )


def unended(connection: Connection, host: str) -> list[int]:
    """Return the workers of one host that never said that they ended."""
    rows = connection.execute(
        text("SELECT id FROM workers WHERE host = :host AND ended_at_ms IS NULL ORDER BY id"), {"host": host}
    )
    return [row.id for row in rows]


def signs(connection: Connection, host: str) -> dict[int, int]:
    """Return when the workers of a host that have not ended gave their last signs of life, by pid."""
    rows = connection.execute(
        text("SELECT pid, seen_at_ms FROM workers WHERE host = :host AND ended_at_ms IS NULL ORDER BY id"),
        {"host": host},
    )
    return {row.pid: row.seen_at_ms for row in rows}


def alive(connection: Connection, since_ms: int) -> list[Row[Any]]:
    """Return the workers seen since a time."""
    return list(
        connection.execute(
            text(
                "SELECT id, host, node, pid, started_at_ms, seen_at_ms FROM workers"
                " WHERE ended_at_ms IS NULL AND seen_at_ms >= :since ORDER BY id"
            ),
            {"since": since_ms},
        )
    )
