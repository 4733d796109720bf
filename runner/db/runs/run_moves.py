"""The moves of runs between states, each with its event."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from runner.db.counts import run_series
from runner.db.events import events
from runner.db.runs import runs
from runner.db.stored_text import stored_text
from runner.rules.event_kinds import EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.db.events.events import RecordEvent
    from runner.rules.states import PauseReason

NO_PAUSE = "pause_reason = NULL, pause_text = NULL"


def set_ready(connection: Connection, run_id: int, total: int) -> None:
    """Move a run from `loading` to `ready`, with the number of its jobs."""
    connection.execute(
        text("UPDATE runs SET state = 'ready', total = :total WHERE id = :id AND state = 'loading'"),
        {"id": run_id, "total": total},
    )


def start(connection: Connection, run_id: int, now_ms: int, *, record: RecordEvent = events.record) -> bool:
    """Move a ready, waiting or paused run to running; return whether it moved.

    `record`, here and in the moves below, writes the event of the move: that of a command says who gave it.
    """
    change = f"state = 'running', {NO_PAUSE}, started_at_ms = COALESCE(started_at_ms, :now)"
    sources = ("ready", "waiting", "paused")
    is_moved = _move(connection, run_id, sources, change, now_ms, EventKind.STARTED, record=record)
    if is_moved:
        run_series.begin_bucket(connection, run_id, now_ms)
    return is_moved


def reopen(connection: Connection, run_id: int, now_ms: int, *, record: RecordEvent = events.record) -> bool:
    """Move an ended run to ready, after jobs of it became pending again; return whether it moved.

    Nobody finishes it before this transaction ends.
    """
    runs.lock(connection, run_id)
    change = f"state = 'ready', finished_at_ms = NULL, {NO_PAUSE}"
    return _move(
        connection, run_id, ("finished", "cancelled"), change, now_ms, EventKind.REOPENED, record=record
    )


def cancel(connection: Connection, run_id: int, now_ms: int, *, record: RecordEvent = events.record) -> bool:
    """Move a run to cancelled; jobs in flight are still collected. Return whether it moved."""
    sources = ("ready", "running", "waiting", "paused")
    change = f"state = 'cancelled', {NO_PAUSE}"
    return _move(connection, run_id, sources, change, now_ms, EventKind.CANCELLED, record=record)


def pause(
    connection: Connection,
    run_id: int,
    reason: PauseReason,
    why: str,
    now_ms: int,
    *,
    record: RecordEvent = events.record,
) -> bool:
    """Pause a run until a person starts it again; it is still collected. Return whether it moved."""
    change = "state = 'paused', pause_reason = :reason, pause_text = :why"
    values = {"reason": reason, "why": stored_text(why)}
    sources, cause = ("running", "waiting"), f"{reason}: {why}"
    return _move(connection, run_id, sources, change, now_ms, EventKind.PAUSED, cause, values, record=record)


def wait(connection: Connection, run_id: int, why: str, now_ms: int) -> bool:
    """Move a running run to waiting for a service; it continues by itself. Return whether it moved."""
    change = "state = 'waiting', pause_text = :why"
    values = {"why": stored_text(why)}
    return _move(connection, run_id, ("running",), change, now_ms, EventKind.WAITING, why, values)


def end_wait(connection: Connection, run_id: int, now_ms: int) -> bool:
    """Move a waiting run to running: the service answers again. Return whether it moved."""
    change, cause = "state = 'running', pause_text = NULL", "the service answers again"
    return _move(connection, run_id, ("waiting",), change, now_ms, EventKind.RUNNING, cause)


def was_paused_for(connection: Connection, run_id: int, reason: PauseReason) -> bool:
    """Return whether a run was ever paused for this reason."""
    query = text(
        f"SELECT 1 FROM run_events WHERE run_id = :run AND kind = '{EventKind.PAUSED}'"
        " AND cause LIKE :begin LIMIT 1"
    )
    return connection.execute(query, {"run": run_id, "begin": f"{reason}:%"}).first() is not None


def _move(
    connection: Connection,
    run_id: int,
    sources: Sequence[str],
    change: str,
    now_ms: int,
    event: EventKind,
    cause: str = "",
    values: Mapping[str, str] = MappingProxyType({}),
    record: RecordEvent = events.record,
) -> bool:
    """Update a run that is in one of the source states, and record the event; return whether it was.

    `change` is the SET clause in SQL, with `:now` and the names of `values`.
    """
    listed = ", ".join(f"'{state}'" for state in sources)
    times = {"now": now_ms} if ":now" in change else {}
    moved = connection.execute(
        text(f"UPDATE runs SET {change} WHERE id = :id AND state IN ({listed})"),
        {"id": run_id, **times, **values},
    )
    if moved.rowcount:
        record(connection, run_id, now_ms, event, cause)
    return bool(moved.rowcount)
