"""Change options of a run in any state, at once: what `set` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from runner.cli.session.run_state import RunRemoved
from runner.db import counters, run_snapshot, runs, stored_options, trail
from runner.db.run_snapshot import Part
from runner.db.trail import CommandEvent
from runner.rules.budget import used_ticks
from runner.rules.money import dollars
from runner.rules.states import PauseReason, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from runner.db.run_snapshot import RunSnapshot
    from runner.db.session import Database
    from runner.db.stored_options import OptionsChange
    from runner.db.trail import Actor


class ChangedOptions(NamedTuple):
    """A run as it is now, what was changed of it, and whether that paused it: its new budget is used up."""

    stored: RunSnapshot
    change: OptionsChange
    is_paused_now: bool = False


def change_options(
    database: Database, actor: Actor, run_id: int, options: Mapping[str, Any]
) -> ChangedOptions:
    """Give a run these options, and record it. Raises RunRemoved.

    A budget below what is spent pauses a run at work; its workers would, once nothing of it is in flight.
    """
    now_ms, is_paused_now = database.now_ms(), False
    with database.write() as connection:
        change = stored_options.change(connection, run_id, options, now_ms)
        if change.new:
            event = CommandEvent(actor=actor, run_id=run_id)
            event.extended(connection, now_ms, trail.SET, old=change.old, new=change.new)
            is_paused_now = _pause_if_overspent(connection, run_id, change, now_ms)
        stored = _read(connection, run_id)
    return ChangedOptions(stored, change, is_paused_now)


def plan_options(database: Database, run_id: int, options: Mapping[str, Any]) -> ChangedOptions:
    """Return what `change_options` would change; nothing is. Raises RunRemoved."""
    with database.read() as connection:
        stored = _read(connection, run_id)
    return ChangedOptions(stored, stored_options.planned_change(stored.run.options, options))


def _read(connection: Connection, run_id: int) -> RunSnapshot:
    stored = run_snapshot.read(connection, run_id, Part.NUMBERS)
    if stored is None or stored.run.state is RunState.REMOVING:
        raise RunRemoved(run_id)
    return stored


def _pause_if_overspent(connection: Connection, run_id: int, change: OptionsChange, now_ms: int) -> bool:
    """Pause a run whose new budget is used up; return whether it was paused now."""
    budget_ticks = change.new.get("budget_ticks")
    if budget_ticks is None:
        return False
    counts = counters.read(connection, run_id, "ticks")
    used = used_ticks({key: n for (_, key), n in counts.items()})
    if used < budget_ticks:
        return False
    why = f"{dollars(used)} of the budget of {dollars(budget_ticks)} are used"
    return runs.pause(connection, run_id, PauseReason.BUDGET, why, now_ms)
