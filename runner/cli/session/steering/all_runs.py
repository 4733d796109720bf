"""Pause all runs that are at work, or continue all that the user paused: what `pause --all` and so on do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from runner.cli.printing import print_json, print_note
from runner.cli.render.runs import all_runs_lines
from runner.cli.render.runs.ending_text import availability_line
from runner.cli.session.confirm import confirm
from runner.cli.session.context import existing_database, require_api
from runner.cli.session.engine_lease import engine_lease
from runner.cli.session.following.run_state import read_snapshot
from runner.cli.session.running import work
from runner.cli.session.running.run_start import RunStart
from runner.cli.session.steering.pause_run import pause_run
from runner.db.events.trail import CommandEvent
from runner.db.runs import run_snapshot, runs
from runner.db.runs.run_snapshot import Part
from runner.rules.states import AT_WORK, PauseReason, RunState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.cli.all_runs_flags import AllRunsFlags
    from runner.cli.session.engine_lease import EngineLease
    from runner.db.events.trail import Actor
    from runner.db.runs.run_row import RunRow
    from runner.db.runs.run_snapshot import RunSnapshot
    from runner.db.session import Database
    from runner.settings import Settings


def pause_all(settings: Settings, actor: Actor, flags: AllRunsFlags) -> None:
    """Pause the runs that are at work, in one transaction, with an event for each."""
    with existing_database(settings) as database:
        chosen = _in_states(database, AT_WORK)
        if not chosen and not _is_planned(flags):
            _print(flags, [], [], ["no run is at work: there is nothing to pause"])
        elif _is_sure("pause", chosen, [], flags):
            paused = _pause(database, chosen, actor)
            lines = [f"run {run.id} is paused" for run in paused]
            it = "it" if len(paused) == 1 else "them"
            _print(flags, paused, [], [*lines, f"to continue {it}: runner resume --all"])


def resume_all(settings: Settings, actor: Actor, flags: AllRunsFlags) -> None:
    """Continue the runs that the user paused, in the background; print why the others stay paused."""
    with engine_lease(settings) as lease, existing_database(settings) as database:
        chosen, left = _paused(database)
        left_lines = all_runs_lines.left_lines(left)
        if not chosen and not _is_planned(flags):
            _print(flags, [], left, [*left_lines, "no run is paused by a user: there is nothing to resume"])
            return
        if not flags.as_json and (flags.dry_run or not flags.yes):
            _print(flags, [], left, all_runs_lines.paused_lines(chosen))
        if flags.dry_run and not flags.as_json:
            _print(flags, [], left, left_lines)
        if _is_sure("resume", chosen, left, flags):
            require_api(settings)
            lines = [_resume(database, run, lease, actor) for run in chosen]
            _print(flags, chosen, left, [*lines, *left_lines, *_availability(settings, database, chosen[0])])


def _paused(database: Database) -> tuple[list[RunRow], list[RunSnapshot]]:
    """Return the runs that a user paused, and those that something else did."""
    with database.read() as connection:
        paused = runs.in_states(connection, (RunState.PAUSED,))
        chosen = [run for run in paused if run.pause_reason == PauseReason.USER]
        others = [run for run in paused if run not in chosen]
        return chosen, [run_snapshot.read_run(connection, run, Part.NUMBERS) for run in others]


def _is_planned(flags: AllRunsFlags) -> bool:
    """Return whether an object about what would be done is to be printed, also where that is nothing."""
    return flags.dry_run and flags.as_json


def _is_sure(what: str, chosen: Sequence[RunRow], left: Sequence[RunSnapshot], flags: AllRunsFlags) -> bool:
    """Return whether to go on; asks where there are several runs. `left`: runs that stay paused."""
    is_sure = flags.yes or len(chosen) == 1
    question = f"{what} {all_runs_lines.named_runs(chosen)}"
    planned = all_runs_lines.planned_runs_object(question, chosen, left)
    return confirm(question, yes=is_sure, dry_run=flags.dry_run, as_json=flags.as_json, planned=planned)


def _in_states(database: Database, states: Sequence[RunState]) -> list[RunRow]:
    with database.read() as connection:
        return runs.in_states(connection, states)


def _pause(database: Database, chosen: Sequence[RunRow], actor: Actor) -> list[RunRow]:
    """Pause runs; return those that were still at work, as they are since."""
    now_ms = database.now_ms()
    with database.write() as connection:
        ids = [run.id for run in chosen if pause_run(connection, run, actor, now_ms)]
        return [run for run in map(partial(runs.find, connection), ids) if run is not None]


def _resume(database: Database, run: RunRow, lease: EngineLease, actor: Actor) -> str:
    """Continue a run in the background, as `resume --detach` does; return what became of it."""
    lease.detach()
    start = RunStart(event=CommandEvent(actor=actor, run_id=run.id), options={"is_detached": True})
    has_work = work.activate_run(database, run.id, lease, start)
    if has_work:
        return f"run {run.id} is at work; to watch it: runner watch {run.id}"
    return f"run {run.id} has nothing left to do; runner status {run.id} shows it"


def _availability(settings: Settings, database: Database, run: RunRow) -> list[str]:
    """Return that no worker is there, which is the same for all runs; [] where one is."""
    snapshot = read_snapshot(settings, database, run.id)
    return [] if snapshot.without_worker_since_ms is None else [availability_line(snapshot)]


def _print(
    flags: AllRunsFlags, changed: Sequence[RunRow], left: Sequence[RunSnapshot], lines: Sequence[str]
) -> None:
    if flags.as_json:
        print_json(all_runs_lines.affected_runs_object(changed, left))
    elif not flags.quiet:
        for line in lines:
            print_note(line)
