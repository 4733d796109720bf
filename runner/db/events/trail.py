"""The trail: which command changed what, by whom and why, written in the transaction of the change.

A command leaves one event for each run or night that it changes. One that changes a run in several
transactions, as a cancel of many jobs does, records the event with the first and adds to it with each later
one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, text

from runner.db.stored_text import stored_text
from runner.rules.redact import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.db.events.events import RecordEvent
    from runner.rules.event_kinds import EventKind

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_HIDDEN: Final = "(a command)"  # the value of --on-end in events


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who gave a command: the user and the host, and the command line without secrets and prompts.

    `reason` is the text of --reason.
    """

    user: str
    host: str
    command: str
    reason: str | None = None

    def encoded(self) -> str:
        """Return who and what as JSON; the reason has a column of its own."""
        return _encoded({"user": self.user, "host": self.host, "command": self.command})


def record(
    connection: Connection,
    run_id: int,
    at_ms: int,
    kind: EventKind,
    *,
    actor: Actor,
    old: Mapping[str, Any] = NOTHING,
    new: Mapping[str, Any] = NOTHING,
    cause: str = "",
) -> int:
    """Record what a command did to a run; return the event's id. `old`, `new`: what changed, by name."""
    columns = {"run_id": run_id, "at_ms": at_ms, "kind": kind, "cause": stored_text(cause)}
    return _insert(connection, "run_events", columns | _by(actor, old, new))


def record_operator_event(
    connection: Connection,
    at_ms: int,
    kind: EventKind,
    *,
    actor: Actor,
    run_id: int | None = None,
    run_name: str | None = None,
    old: Mapping[str, Any] = NOTHING,
    new: Mapping[str, Any] = NOTHING,
    cause: str = "",
) -> int:
    """Record what a command did that outlives its run, or belongs to none; return the event's id.

    `run_name` is the name of the run or the night.
    """
    name = None if run_name is None else stored_text(run_name)
    columns = {"run_id": run_id, "run_name": name, "at_ms": at_ms, "kind": kind, "cause": stored_text(cause)}
    return _insert(connection, "operator_events", columns | _by(actor, old, new))


def recorded_by(
    actor: Actor, *, old: Mapping[str, Any] = NOTHING, new: Mapping[str, Any] = NOTHING
) -> RecordEvent:
    """Return what the moves of runs take in the place of `events.record`, where a command makes them."""

    def record_move(connection: Connection, run_id: int, at_ms: int, kind: EventKind, cause: str) -> None:
        record(connection, run_id, at_ms, kind, actor=actor, old=old, new=new, cause=cause)

    return record_move


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEvent:
    """The one event of a command about a run or a night, as far as it is on record.

    `id` is None before it is recorded. Without `run_id` it is an operator's event, of the night `name`. It is
    a value: where a transaction is rolled back, the one from before still holds.
    """

    actor: Actor
    run_id: int | None = None
    name: str | None = None
    id: int | None = None
    old: Mapping[str, Any] = field(default_factory=dict)
    new: Mapping[str, Any] = field(default_factory=dict)

    def extended(
        self,
        connection: Connection,
        at_ms: int,
        kind: EventKind,
        *,
        old: Mapping[str, Any] = NOTHING,
        new: Mapping[str, Any] = NOTHING,
        cause: str = "",
    ) -> CommandEvent:
        """Record a change of the command, or add it to the event on record; return the event as it is then.

        The first old value and the newest new value of a name count, the newest kind with its time, and the
        newest cause.
        """
        whole = replace(self, old={**old, **self.old}, new={**self.new, **new})
        if self.id is None:
            return replace(whole, id=_recorded(connection, whole, at_ms, kind, cause))
        table = "operator_events" if self.run_id is None else "run_events"
        connection.execute(
            text(
                f"UPDATE {table} SET at_ms = CASE kind WHEN :kind THEN at_ms ELSE :at END, kind = :kind,"
                " cause = :cause, old = :old, new = :new WHERE id = :id"
            ),
            {
                "id": self.id,
                "at": at_ms,
                "kind": kind,
                "cause": stored_text(cause),
                "old": _encoded_or_none(whole.old),
                "new": _encoded_or_none(whole.new),
            },
        )
        return whole


def _recorded(connection: Connection, event: CommandEvent, at_ms: int, kind: EventKind, cause: str) -> int:
    """Record an event that is not on record; return its id."""
    if event.run_id is not None:
        return record(
            connection,
            event.run_id,
            at_ms,
            kind,
            actor=event.actor,
            old=event.old,
            new=event.new,
            cause=cause,
        )
    return record_operator_event(
        connection,
        at_ms,
        kind,
        actor=event.actor,
        run_name=event.name,
        old=event.old,
        new=event.new,
        cause=cause,
    )


def _insert(connection: Connection, table: str, columns: Mapping[str, Any]) -> int:
    names, values = ", ".join(columns), ", ".join(f":{name}" for name in columns)
    statement = text(f"INSERT INTO {table} ({names}) VALUES ({values}) RETURNING id")
    return int(connection.execute(statement, columns).scalar_one())


def _by(actor: Actor, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str | None]:
    return {
        "actor": actor.encoded(),
        "old": _encoded_or_none(old),
        "new": _encoded_or_none(new),
        "reason": None if actor.reason is None else stored_text(actor.reason),
    }


def _encoded_or_none(values: Mapping[str, Any]) -> str | None:
    return _encoded(values) if values else None


def _encoded(values: Mapping[str, Any]) -> str:
    """Return a JSON object without secrets, in ASCII: what is no text is an escape, and NUL, too."""
    return json.dumps({name: _recordable(name, one) for name, one in values.items()})


def _recordable(name: str, value: Any) -> Any:
    """Return a value as an event may show it: the command of --on-end may hold a token."""
    if name == "on_end" and value is not None:
        return _HIDDEN
    return redact(value, ()) if isinstance(value, str) else value
