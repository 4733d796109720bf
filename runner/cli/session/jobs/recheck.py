"""Stored answers of a run are checked again, after its repair was switched on or off; nothing is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.cli.printing import print_escaped, print_json, print_note
from runner.cli.render import text
from runner.cli.render.runs.live_object import live_object
from runner.cli.session.actor import read_actor
from runner.cli.session.confirm import PlannedAction
from runner.cli.session.context import existing_database, find_run, read_settings
from runner.cli.session.following.run_state import read_snapshot
from runner.db.counts import counters
from runner.db.events.trail import CommandEvent
from runner.db.moves import recheck_moves
from runner.db.runs import run_end, runs
from runner.db.runs.run_snapshot import Part
from runner.engine.collecting.recheck_answers import recheck_answers
from runner.rules.errors import UsageError
from runner.rules.event_kinds import EventKind
from runner.rules.json_object import SCHEMA
from runner.rules.labels.recheck_rules import has_repair, with_repair
from runner.rules.states import RunState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.db.runs.run_row import RunRow
    from runner.db.session import Database
    from runner.engine.collecting.recheck_answers import RecheckCounts


def recheck(
    run: str, *, repair: bool | None, reason: str | None, dry_run: bool, as_json: bool, is_quiet: bool
) -> None:
    """Switch the repair of a run, unless it is None, and check its answers again; print what changed.

    `reason`: the text of --reason. Raises UsageError for a run that has no labels or is at work.
    """
    settings = read_settings()
    with existing_database(settings) as database:
        with database.read() as connection:
            found = find_run(connection, run)
            recipe = _recipe(connection, found, repair)
        event = CommandEvent(actor=read_actor(settings, reason), run_id=found.id)
        if not dry_run and recipe != found.recipe:
            recipe, event = _switch(database, event, found, repair)
        counts = recheck_answers(database, event, found.id, recipe, dry_run=dry_run)
        if dry_run:
            _print_plan(found, counts, as_json=as_json)
            return
        if as_json:
            print_json(live_object(read_snapshot(settings, database, found.id, Part.OBJECT)))
    if not is_quiet:
        for line in _lines(found, counts, is_repaired=has_repair(recipe)):
            print_note(line)


def _recipe(connection: Connection, run: RunRow, repair: bool | None) -> str:
    """Return the recipe to check by. Raises UsageError where there is none, or workers check answers now."""
    if run.recipe is None:
        what = f"run {run.id} has no labels to check answers by: it is no run of runner label"
        raise UsageError(what, fix="leave out --judge")
    if run.state is RunState.LOADING or run_end.needs_worker(run, counters.read(connection, run.id)):
        what = f"run {run.id} is {run.state}: its answers are being checked"
        raise UsageError(what, fix=f"wait until it has ended: runner watch {run.id}")
    return run.recipe if repair in (None, has_repair(run.recipe)) else with_repair(run.recipe, is_on=repair)


def _switch(
    database: Database, event: CommandEvent, found: RunRow, repair: bool | None
) -> tuple[str, CommandEvent]:
    """Store the recipe as it is now with its repair switched; return it, and the event of the command.

    Raises UsageError where the run was started since.
    """
    now_ms = database.now_ms()
    with database.write() as connection:
        runs.lock(connection, found.id)
        recipe = _recipe(connection, runs.find(connection, found.id) or found, repair)
        recheck_moves.set_recipe(connection, found.id, recipe)
        old, new = {"repair": not repair}, {"repair": bool(repair)}
        return recipe, event.extended(connection, now_ms, EventKind.RECHECKED, old=old, new=new)


def _print_plan(run: RunRow, counts: RecheckCounts, *, as_json: bool) -> None:
    what = (
        f"check {text.count(counts.checked, 'stored answer')} of run {run.id} again:"
        f" {counts.valid:,} fit now, {counts.invalid:,} do not fit any more"
    )
    if as_json:
        print_json(PlannedAction(schema=SCHEMA, would=what))
    else:
        print_escaped(f"would {what}")


def _lines(run: RunRow, counts: RecheckCounts, *, is_repaired: bool) -> list[str]:
    """Return what was checked and changed, and the command that follows."""
    how = "with repair" if is_repaired else "without repair"
    lines = [f"{text.count(counts.checked, 'row')} of run {run.id} checked again, {how}; nothing was sent"]
    if counts.valid:
        lines.append(f"{text.count(counts.valid, 'row')} that had no labels: ok now")
    if counts.invalid:
        lines.append(f"{text.count(counts.invalid, 'row')} that had labels: invalid now")
    if not counts.valid and not counts.invalid:
        return [*lines, "no row has changed"]
    return [*lines, f"to write the table again: runner write {run.id}"]
