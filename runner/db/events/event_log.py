"""The events of all runs and of no run for a reader: the newest ones, and those that come while it waits.

`run_events` has those of runs; `operator_events` those of commands that outlive their run or belong to none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, text

from runner.db.events.trail import Actor
from runner.rules.event_kinds import OF_NIGHTS, EventKind
from runner.rules.event_tail import NO_TRANSACTIONS, OpenTransactions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Row


RUNS, OPERATORS = "run_events", "operator_events"
TABLES: Final = (RUNS, OPERATORS)
_NAMES: Final = {
    RUNS: "(SELECT name FROM runs WHERE runs.id = e.run_id)",
    OPERATORS: "e.run_name",
}
_OF_RUN: Final = "e.run_id = :run"
_OF_NIGHT: Final = "(e.run_id IS NULL AND e.run_name = :night AND e.kind IN ({kinds}))"
_SINCE: Final = "e.at_ms >= :since"
_LAST: Final = "ORDER BY e.at_ms DESC, e.id DESC LIMIT :rows"
_LAST_OF_RUN: Final = "ORDER BY e.id + 0 DESC LIMIT :rows"  # `+ 0` keeps the primary key out


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvent:
    """One event. `run_id`: None where it belongs to no run. `actor`: None where no command made it.

    `old` and `new`: what a command changed, by name.
    """

    table: str
    id: int
    at_ms: int
    kind: str
    run_id: int | None
    run_name: str | None
    cause: str
    actor: Actor | None
    old: Mapping[str, Any]
    new: Mapping[str, Any]
    reason: str | None

    @property
    def key(self) -> tuple[object, ...]:
        """Return what distinguishes it from a later event with the same number."""
        return (self.id, self.run_id, self.at_ms)

    @property
    def content(self) -> tuple[object, ...]:
        """Return what its command may add to, while it goes on."""
        return (self.kind, self.cause, repr(self.old), repr(self.new))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events are read: of one run, of some kinds, since a time; None and () are all.

    `night`: the name of the night that the run measures; what commands did to it is read as well.
    """

    run_id: int | None = None
    night: str | None = None
    kinds: tuple[EventKind, ...] = ()
    since_ms: int | None = None


def newest(connection: Connection, table: str, wanted: EventFilter, rows_max: int) -> list[LoggedEvent]:
    """Return the newest events of a table, oldest first: of all runs by their times, of one run by their ids.

    Those of all runs come from the index of times, or for each kind from the index of kinds. Of one run all
    events are read, from its own index.
    """
    values = {"rows": rows_max, "since": wanted.since_ms or 0}
    if wanted.run_id is not None:
        rest = f"{_of_run(table, wanted)} AND {_SINCE}{_of_kinds(wanted)} {_LAST_OF_RUN}"
        return _read(connection, table, wanted, rest, values)[::-1]
    if not wanted.kinds:
        return _read(connection, table, wanted, f"{_SINCE} {_LAST}", values)[::-1]
    found = [
        event
        for kind in dict.fromkeys(wanted.kinds)
        for event in _read(connection, table, wanted, f"e.kind = '{kind}' AND {_SINCE} {_LAST}", values)
    ]
    return sorted(found, key=lambda event: (event.at_ms, event.id))[-rows_max:]


def above(connection: Connection, table: str, wanted: EventFilter, floor: int) -> list[LoggedEvent]:
    """Return the events of a table with larger ids than `floor`, in their order."""
    of_run = "" if wanted.run_id is None else f" AND {_of_run(table, wanted)}"
    rest = f"e.id > :floor{of_run} AND {_SINCE}{_of_kinds(wanted)} ORDER BY e.id"
    return _read(connection, table, wanted, rest, {"floor": floor, "since": wanted.since_ms or 0})


def newest_id(connection: Connection, table: str) -> int:
    """Return the largest id of a table; 0 where it is empty."""
    return int(connection.execute(text(f"SELECT COALESCE(MAX(id), 0) FROM {table}")).scalar_one())


def open_transactions(connection: Connection) -> OpenTransactions:
    """Return which transactions were writing at the moment that this connection's transaction sees."""
    if connection.dialect.name == "sqlite":
        return NO_TRANSACTIONS
    row = connection.execute(
        text(
            "SELECT CAST(CAST(pg_snapshot_xmin(seen) AS TEXT) AS BIGINT),"
            " CAST(CAST(pg_snapshot_xmax(seen) AS TEXT) AS BIGINT) FROM pg_current_snapshot() AS seen"
        )
    ).one()
    return OpenTransactions(row[0], row[1])


def has_removed(connection: Connection, run_id: int) -> bool:
    """Return whether there was a run with this id that was removed: the event of its removal is there."""
    query = text("SELECT 1 FROM operator_events WHERE run_id = :run LIMIT 1")
    return connection.execute(query, {"run": run_id}).first() is not None


def removed_run(connection: Connection, name: str) -> int | None:
    """Return the id of the run of this name that was removed last; None where none was."""
    query = text(
        "SELECT run_id FROM operator_events WHERE kind = :removed AND run_name = :name"
        " ORDER BY at_ms DESC, id DESC LIMIT 1"
    )
    found = connection.execute(query, {"removed": EventKind.REMOVED, "name": name}).scalar()
    return None if found is None else int(found)


def names_of_removed_runs(connection: Connection) -> dict[int, str]:
    """Return the names that removed runs had, by their ids."""
    query = text("SELECT run_id, run_name FROM operator_events WHERE kind = :removed ORDER BY id")
    found = connection.execute(query, {"removed": EventKind.REMOVED})
    return {run_id: name for run_id, name in found if run_id}


def _of_run(table: str, wanted: EventFilter) -> str:
    """Return the condition on the run, and on its night where a table has events of nights."""
    if table != OPERATORS or wanted.night is None:
        return _OF_RUN
    of_night = _OF_NIGHT.format(kinds=", ".join(f"'{kind}'" for kind in OF_NIGHTS))
    return f"({_OF_RUN} OR {of_night})"


def _of_kinds(wanted: EventFilter) -> str:
    """Return the condition on kinds where another index is read: `|| ''` keeps that of kinds out."""
    listed = ", ".join(f"'{kind}'" for kind in wanted.kinds)
    return f" AND e.kind || '' IN ({listed})" if listed else ""


def _read(
    connection: Connection, table: str, wanted: EventFilter, rest: str, values: Mapping[str, Any]
) -> list[LoggedEvent]:
    """Return events; `rest` is the SQL from the condition on, with `:run` and the names of `values`."""
    query = text(
        f"SELECT e.id, e.at_ms, e.kind, e.run_id, {_NAMES[table]} AS run_name, e.cause, e.actor, e.old,"
        f" e.new, e.reason FROM {table} e WHERE {rest}"
    )
    named = {"run": wanted.run_id, "night": wanted.night}
    given = {name: value for name, value in named.items() if f":{name}" in rest}
    return [_event(table, row) for row in connection.execute(query, {**values, **given})]


def _event(table: str, row: Row[Any]) -> LoggedEvent:
    actor = None if row.actor is None else json.loads(row.actor)
    return LoggedEvent(
        table=table,
        id=row.id,
        at_ms=row.at_ms,
        kind=row.kind,
        run_id=row.run_id,
        run_name=row.run_name,
        cause=row.cause,
        actor=None
        if actor is None
        else Actor(user=actor["user"], host=actor["host"], command=actor["command"]),
        old=json.loads(row.old or "{}"),
        new=json.loads(row.new or "{}"),
        reason=row.reason,
    )
