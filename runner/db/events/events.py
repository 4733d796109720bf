"""The events of a run, with time and cause: pauses, waits, new limits, warnings, its end.

Those of commands, with who gave them, are written by `db.events.trail`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, text

from runner.db.stored_text import stored_text
from runner.rules.event_kinds import EventKind

RecordEvent = Callable[[Connection, int, int, EventKind, str], None]  # the parameters of `record`


def record(connection: Connection, run_id: int, at_ms: int, kind: EventKind, cause: str) -> None:
    """Record an event of a run."""
    connection.execute(
        text("INSERT INTO run_events (run_id, at_ms, kind, cause) VALUES (:run, :at, :kind, :cause)"),
        {"run": run_id, "at": at_ms, "kind": kind, "cause": stored_text(cause)},
    )


def record_nothing(
    connection: Connection,
    run_id: int,
    at_ms: int,
    kind: EventKind,
    cause: str,
) -> None:
    """Record no event: the caller records one of the command that makes the move."""


def record_once(connection: Connection, run_id: int, at_ms: int, kind: EventKind, cause: str) -> None:
    """Record an event, unless the last one of its kind has the same cause: many processes notice one thing.

    A cause like `grok-4.3: …` is compared with the last cause of the same model only.
    """
    prefix = f"{stored_text(cause).partition(': ')[0]}: " if ": " in cause else ""
    last = connection.execute(
        text(
            "SELECT cause FROM run_events WHERE run_id = :run AND kind = :kind"
            " AND substr(cause, 1, :length) = :about ORDER BY id DESC LIMIT 1"
        ),
        {"run": run_id, "kind": kind, "length": len(prefix), "about": prefix},
    ).scalar_one_or_none()
    if last != stored_text(cause):
        record(connection, run_id, at_ms, kind, cause)


def of_run(connection: Connection, run_id: int) -> list[Row[Any]]:
    """Return the events of a run, oldest first."""
    return list(
        connection.execute(
            text("SELECT at_ms, kind, cause FROM run_events WHERE run_id = :run ORDER BY id"), {"run": run_id}
        )
    )


def last_ms(connection: Connection, run_id: int, kind: EventKind) -> int | None:
    """Return when the last event of a kind happened to a run; None if it never did."""
    query = text("SELECT MAX(at_ms) FROM run_events WHERE run_id = :run AND kind = :kind")
    found: int | None = connection.execute(query, {"run": run_id, "kind": kind}).scalar_one()
    return found


def set_since_pause(connection: Connection, run_id: int) -> frozenset[str]:
    """Return the names of the options that commands have set since a run was last paused."""
    query = text(
        "SELECT new FROM run_events WHERE run_id = :run AND kind = :set AND id > (SELECT COALESCE(MAX(id), 0)"
        " FROM run_events WHERE run_id = :run AND kind = :paused)"
    )
    values = {"run": run_id, "set": EventKind.SET, "paused": EventKind.PAUSED}
    found = connection.execute(query, values).scalars()
    return frozenset(name for new in found for name in json.loads(new or "{}"))
