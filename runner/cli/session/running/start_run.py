"""Start a run that is loaded, and follow it or leave it in the background: what `start` and `resume` do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.cli.printing import print_escaped, print_json, print_note
from runner.cli.render.runs.ending_text import availability_line
from runner.cli.render.runs.live_object import live_object
from runner.cli.render.runs.summary_table import summary_lines
from runner.cli.session.context import existing_database, find_working_run, require_api
from runner.cli.session.following.ending import ending_lines, folder_of
from runner.cli.session.following.run_state import read_snapshot, ungraded_night_line
from runner.cli.session.running import budget_prices, work
from runner.cli.session.running.run_start import RunStart, keep_options
from runner.db.events.trail import CommandEvent
from runner.db.runs.run_snapshot import Part
from runner.output.file_owner import files_of_run
from runner.output.table_input import TableNotAtHand
from runner.output.write import write_run
from runner.rules.errors import UsageError, UserError
from runner.rules.redact import plain
from runner.rules.states import RunState
from runner.rules.summary_object import NO_FILES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.cli.flag_values import StartFlags
    from runner.cli.session.engine_lease import EngineLease
    from runner.db.events.trail import Actor
    from runner.db.runs.run_row import RunRow
    from runner.db.session import Database
    from runner.rules.summary_object import SummaryFiles
    from runner.settings import Settings


def start_run(
    settings: Settings,
    lease: EngineLease,
    run: str,
    options: Mapping[str, Any],
    flags: StartFlags,
    actor: Actor,
) -> int:
    """Start a run with the options that are named changed; return the exit code."""
    with existing_database(settings) as database:
        with database.read() as connection:
            found = find_working_run(connection, run)
        if found.state is RunState.LOADING:
            raise UsageError(f"run {found.id} is still being loaded", fix="load its file again")
        event, has_work = CommandEvent(actor=actor, run_id=found.id), False
        if not flags.detach:
            lease.follow(found.id)
        if options.get("budget_ticks"):
            budget_prices.require_prices(database, settings, found.id)
        options = _kept_for_night(database, found.id, options, actor)
        if found.is_over:
            keep_options(database, found.id, event, options)
        else:
            require_api(settings)
            if flags.detach:
                lease.detach()
                options = {**options, "is_detached": True}
            start = RunStart(event=event, options=options)
            has_work = work.activate_run(database, found.id, lease, start)
        if flags.detach and has_work:
            return _detach(settings, database, found.id, flags)
        command = f"runner start {found.id}"
        with work.named_when_stopped(command):
            left_by = work.follow_run(settings, database, found.id, lease, flags, command)
        if left_by is not None:
            return left_by
        try:
            return _print_end(settings, database, found.id, as_json=flags.as_json, quiet=flags.quiet)
        finally:  # also where stdout is full
            work.call_on_end(database, found.id)


def _kept_for_night(
    database: Database, run_id: int, options: Mapping[str, Any], actor: Actor
) -> Mapping[str, Any]:
    """Let the night that a run measures keep the named options, too; return what the run gets of them."""
    if not options:
        return options
    from runner.evals.night.change_night import keep_for_night  # not for a start that names none

    with database.write() as connection:
        return keep_for_night(connection, run_id, options, actor, database.now_ms())


def _detach(settings: Settings, database: Database, run_id: int, flags: StartFlags) -> int:
    """Print that the run is at work, or that no worker is alive; return exit code 0."""
    snapshot = read_snapshot(settings, database, run_id, Part.OBJECT)
    if not flags.quiet:
        is_missing = snapshot.without_worker_since_ms is not None
        state = availability_line(snapshot) if is_missing else f"run {run_id} is at work"
        print_note(f"{state}; to watch it: runner watch {run_id}")
    if flags.as_json:
        print_json(live_object(snapshot))
    return 0


def _print_end(settings: Settings, database: Database, run_id: int, *, as_json: bool, quiet: bool) -> int:
    """Write the files of a run that has stopped again, print its summary; return the exit code."""
    snapshot = read_snapshot(settings, database, run_id, Part.ENDING)
    files = _write_again(database, snapshot.run)
    if as_json:
        print_json(live_object(snapshot))
    elif not quiet:
        folder = folder_of(Path(snapshot.run.output_path)) if snapshot.run.output_path else ""
        for line in summary_lines(snapshot.stored.summary(files), folder):
            print_escaped(line)
    for line in ending_lines(snapshot, f"runner resume {run_id}", settings):
        print_note(line)
    with database.read() as connection:
        to_grade = ungraded_night_line(connection, run_id)
    if to_grade:
        print_note(to_grade)
    elif files == NO_FILES and snapshot.done and not quiet:
        print_note(f"to write the files: runner write {run_id}")
    return snapshot.stored.exit_code


def _write_again(database: Database, run: RunRow) -> SummaryFiles:
    """Write the files that this run wrote before; return the facts of those on disk. A failure is a note."""
    files = files_of_run(run)
    if run.output_path is None or files == NO_FILES:
        return files
    try:
        return write_run(database, run.id, Path(run.output_path)).summary.files
    except TableNotAtHand as error:
        print_note(f"warning: {plain(error.what)}; the files were not written again")
        print_note(f"fix: {plain(error.fix)}")
        return files
    except UserError as error:
        print_note(f"warning: {plain(error.what)}; runner write {run.id} writes them")
        return files
