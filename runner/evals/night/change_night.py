"""Changes the options of a night; its runs get their part of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runner.db.evaluation import measurements, nights
from runner.db.evaluation.nights import NightState
from runner.db.events import trail
from runner.db.runs import runs
from runner.db.runs.stored_options import OptionsChange
from runner.evals.night import decide_night
from runner.evals.night.night_options import read_options
from runner.evals.night.stored_night import read_night
from runner.rules.event_kinds import EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from runner.db.evaluation.nights import NightRow
    from runner.db.events.trail import Actor
    from runner.evals.night.night_options import NightOptions


def open_night_of(connection: Connection, run_id: int) -> NightRow | None:
    """Return the night without a verdict that a run measures, or None."""
    night_id = measurements.night_of_run(connection, run_id)
    night = None if night_id is None else nights.find_by_id(connection, night_id)
    return night if night is not None and night.state is NightState.OPEN else None


def ungraded_night_of(connection: Connection, run_id: int) -> NightRow | None:
    """Return the night of a run if its answers are there and only a command can grade them; else None."""
    night = open_night_of(connection, run_id)
    if night is None:
        return None
    newest = runs.find(connection, measurements.measurements(connection, night.id)[-1].run_id)
    if newest is None or not newest.is_over:
        return None
    options = read_options(night.options)
    is_left_to_workers = options.is_detached and options.problem is None
    return None if is_left_to_workers else night


def with_named(night: NightRow, named: Mapping[str, Any]) -> NightRow:
    """Return a night as it is with those of the named options that a night has."""
    return replace(night, options=read_options(night.options).with_named(named).encoded())


def planned_change(night: NightRow, named: Mapping[str, Any]) -> OptionsChange:
    """Return which of the named options a night has, with another value."""
    before, after = read_options(night.options), read_options(with_named(night, named).options)
    return OptionsChange.between(before.kept(named), after.kept(named))


def store_options(
    connection: Connection, night: NightRow, options: NightOptions, actor: Actor, now_ms: int
) -> NightRow:
    """Give a night these options, and record those that a command line can name; return it as it is now."""
    earlier = read_options(night.options)
    nights.set_options(connection, night.id, options.encoded())
    change = OptionsChange.between(earlier.in_force(), options.in_force())
    if change.new:
        trail.record_operator_event(
            connection,
            now_ms,
            EventKind.NIGHT_SET,
            actor=actor,
            run_name=night.name,
            old=change.old,
            new=change.new,
        )
    return replace(night, options=options.encoded())


def keep_for_night(
    connection: Connection, run_id: int, named: Mapping[str, Any], actor: Actor, now_ms: int
) -> Mapping[str, Any]:
    """Let the open night that a run measures keep what is named for the run; return the run's part of it."""
    night = open_night_of(connection, run_id)
    if night is None:
        return named
    later = read_options(night.options).with_named(named)
    return named_for_run(connection, store_options(connection, night, later, actor, now_ms), run_id, named)


def named_for_run(
    connection: Connection, night: NightRow, run_id: int, named: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the options that are named for a night are for one of its runs.

    The budget is what the night's leaves for it. The command of --on-end is called for the night, not for
    the run.
    """
    for_run = {name: value for name, value in named.items() if name != "on_end"}
    if "budget_ticks" in for_run:
        for_run["budget_ticks"] = decide_night.remaining_ticks(
            connection, read_night(connection, night), run_id
        )
    return for_run
