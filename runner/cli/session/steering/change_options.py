"""Change options of a run in any state, at once: what `set` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from runner.cli.session.following.run_state import RunRemoved
from runner.db.counts import counters
from runner.db.evaluation.measurements import measurements
from runner.db.events import trail
from runner.db.runs import run_moves, run_snapshot, stored_options
from runner.db.runs.run_snapshot import Part
from runner.db.runs.stored_options import OptionsChange
from runner.evals.night.change_night import (
    named_for_run,
    open_night_of,
    planned_change,
    store_options,
    with_named,
)
from runner.evals.night.night_options import read_options
from runner.rules.costs.budget import used_ticks
from runner.rules.event_kinds import EventKind
from runner.rules.money import dollars
from runner.rules.states import PauseReason, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from runner.db.evaluation.nights import NightRow
    from runner.db.events.trail import Actor
    from runner.db.runs.run_snapshot import RunSnapshot
    from runner.db.session import Database


class ChangedOptions(NamedTuple):
    """A run as it is now, what was changed of it, and whether that paused it: its new budget is used up.

    `night`: the name of the night without a verdict that it measures, where that keeps named options as well.
    """

    stored: RunSnapshot
    change: OptionsChange
    is_paused_now: bool = False
    night: str | None = None


def change_options(
    database: Database, actor: Actor, run_id: int, options: Mapping[str, Any]
) -> ChangedOptions:
    """Give a run these options, and record it. Raises RunRemoved.

    A budget below what is spent pauses a run at work; its workers would, once nothing of it is in flight.
    Where the run measures a night that has no verdict yet, the night takes the options that nights have, and
    with it all of its runs, also those to come.
    """
    with database.write() as connection:
        night = open_night_of(connection, run_id)
        now_ms, of_night, run_ids = database.now_ms(), OptionsChange(), [run_id]
        if night is not None:
            of_night = planned_change(night, options)
            later = read_options(night.options).with_named(options)
            night = store_options(connection, night, later, actor, now_ms)
            run_ids = [one.run_id for one in measurements(connection, night.id)]
        of_runs = {
            one: _change_run(connection, one, _for_run(connection, night, one, options), actor, now_ms)
            for one in run_ids
        }
        stored = _read(connection, run_id)
    change, is_paused_now = of_runs[run_id]
    return ChangedOptions(stored, _with(change, of_night), is_paused_now, _name(night, options))


def plan_options(database: Database, run_id: int, options: Mapping[str, Any]) -> ChangedOptions:
    """Return what `change_options` would change; nothing is. Raises RunRemoved."""
    with database.read() as connection:
        stored, night = _read(connection, run_id), open_night_of(connection, run_id)
        later = None if night is None else with_named(night, options)
        planned = stored_options.planned_change(
            stored.run.options, _for_run(connection, later, run_id, options)
        )
    of_night = OptionsChange() if night is None else planned_change(night, options)
    return ChangedOptions(stored, _with(planned, of_night), night=_name(night, options))


def _name(night: NightRow | None, options: Mapping[str, Any]) -> str | None:
    """Return the name of a night that keeps any of the options; else None."""
    return night.name if night is not None and read_options(night.options).kept(options) else None


def _for_run(
    connection: Connection, night: NightRow | None, run_id: int, options: Mapping[str, Any]
) -> Mapping[str, Any]:
    return options if night is None else named_for_run(connection, night, run_id, options)


def _with(of_run: OptionsChange, of_night: OptionsChange) -> OptionsChange:
    """Return what changed of a run and its night; of an option that both have, that of the night."""
    return OptionsChange(old={**of_run.old, **of_night.old}, new={**of_run.new, **of_night.new})


def _change_run(
    connection: Connection, run_id: int, options: Mapping[str, Any], actor: Actor, now_ms: int
) -> tuple[OptionsChange, bool]:
    """Give a run these options, and record it; return what changed, and whether that paused the run."""
    change = stored_options.change(connection, run_id, options, now_ms)
    if not change.new:
        return change, False
    trail.record(connection, run_id, now_ms, EventKind.SET, actor=actor, old=change.old, new=change.new)
    return change, _pause_if_overspent(connection, run_id, change, now_ms)


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
    return run_moves.pause(connection, run_id, PauseReason.BUDGET, why, now_ms)
