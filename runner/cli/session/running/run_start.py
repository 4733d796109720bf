"""Start a run in one transaction: its options as they were named, its state, and the event of the command."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runner.db.counts import run_series
from runner.db.events import events
from runner.db.runs import run_moves, runs, stored_options
from runner.rules.event_kinds import EventKind
from runner.rules.states import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from runner.db.events.trail import CommandEvent
    from runner.db.session import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStart:
    """What a command changes of a run that it starts; `options` are the named ones.

    `output_path` None: the run keeps the one that it has.
    """

    event: CommandEvent
    options: Mapping[str, Any] = field(default_factory=dict)
    output_path: str | None = None


def start_in_trail(
    connection: Connection, run_id: int, now_ms: int, start: RunStart, *, is_at_work: bool
) -> None:
    """Change what a start changes, and record it. A call that finds all of it so leaves no event.

    `is_at_work`: whether workers run already. Where they do not, a run that was at work is started again, for
    those who look before the new engine is there.
    """
    old, new = _change(connection, run_id, now_ms, start)
    before = runs.find(connection, run_id)
    is_moved = run_moves.start(connection, run_id, now_ms, record=events.record_nothing)
    if is_moved and before is not None:
        old, new = {"state": before.state, **old}, {"state": RunState.RUNNING, **new}
    if is_moved or not is_at_work:
        cause = "" if is_moved else "again"
        if not is_moved:
            run_series.begin_bucket(connection, run_id, now_ms)
        start.event.extended(connection, now_ms, EventKind.STARTED, old=old, new=new, cause=cause)
    elif new:
        start.event.extended(connection, now_ms, EventKind.SET, old=old, new=new)


def _change(
    connection: Connection, run_id: int, now_ms: int, start: RunStart
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Change the options and the output of a run; return the old and the new values where they differed."""
    changed = stored_options.change(connection, run_id, start.options, now_ms)
    if start.output_path is None:
        return dict(changed.old), dict(changed.new)
    output = stored_options.set_output_path(connection, run_id, start.output_path)
    return {**changed.old, **output.old}, {**changed.new, **output.new}


def keep_options(
    database: Database, run_id: int, event: CommandEvent, options: Mapping[str, Any]
) -> CommandEvent:
    """Let a run that is not started now keep the named options; return the event of the command."""
    if not options:
        return event
    now_ms = database.now_ms()
    with database.write() as connection:
        changed = stored_options.change(connection, run_id, options, now_ms)
        if not changed.new:
            return event
        return event.extended(connection, now_ms, EventKind.SET, old=changed.old, new=changed.new)
