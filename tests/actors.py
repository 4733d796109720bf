"""An actor for tests that call what commands call, and the events that commands left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import text

from runner.db.events.trail import Actor, CommandEvent

if TYPE_CHECKING:
    from runner.db.session import Database

ANN: Final = Actor(user="ann", host="box", command="runner test", reason="a test")


class TrailRow(NamedTuple):
    """An event of a command: the names, and what was before and after."""

    kind: str
    old: dict[str, Any]
    new: dict[str, Any]
    reason: str | None
    command: str


def event_of(run_id: int) -> CommandEvent:
    """Return an event of Ann's that is not yet on record."""
    return CommandEvent(actor=ANN, run_id=run_id)


def trail_of(database: Database, table: str = "run_events") -> list[TrailRow]:
    """Return the events of commands in a table, in their order."""
    query = text(f"SELECT kind, old, new, reason, actor FROM {table} WHERE actor IS NOT NULL ORDER BY id")
    with database.read() as connection:
        return [
            TrailRow(
                row.kind,
                json.loads(row.old or "{}"),
                json.loads(row.new or "{}"),
                row.reason,
                json.loads(row.actor)["command"],
            )
            for row in connection.execute(query)
        ]
