"""Follow the nights of a suite to their reports, one after another, as far as nothing stops the command."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.cli.flag_values import StartFlags
from runner.cli.printing import print_json, print_note
from runner.cli.render.runs.live_object import live_object
from runner.cli.render.runs.load_notes import loaded_lines
from runner.cli.render.text import error_block
from runner.cli.session.context import require_api
from runner.cli.session.following.ending import ending_lines
from runner.cli.session.following.run_state import RunRemoved, read_snapshot
from runner.cli.session.nights.print_night import print_night
from runner.cli.session.running import budget_prices, work
from runner.cli.session.running.loading import confirm_sending
from runner.cli.session.running.run_start import RunStart, keep_options
from runner.db.evaluation import nights
from runner.db.evaluation.measurements import measurements
from runner.db.events.trail import CommandEvent
from runner.db.runs import runs
from runner.db.runs.run_snapshot import Part
from runner.evals.github import is_github_actions, write_step_summary
from runner.evals.night import night_end
from runner.evals.night.advance_night import NightSteps
from runner.evals.night.change_night import named_for_run
from runner.evals.night.night_options import read_options
from runner.rules.command_line import rerun_command
from runner.rules.errors import EngineBug, Unreachable, UserError
from runner.rules.evaluation.forms import workflow_commands
from runner.rules.evaluation.forms.night_markdown import night_markdown
from runner.rules.exit_codes import ExitCode
from runner.rules.shell_words import shell_word
from runner.rules.states import PauseReason, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.cli.session.engine_lease import EngineLease
    from runner.db.evaluation.nights import NightRow
    from runner.db.events.trail import Actor
    from runner.db.session import Database
    from runner.evals.night.night_end import EndedNight
    from runner.intake.load import LoadResult
    from runner.rules.evaluation.report.night_report import NightReport
    from runner.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalFlags:
    """The flags of `eval`. `options`: those of the night that were named. `timeout`: seconds."""

    occasion: str
    new: bool
    output: Path | None
    force: bool
    trust_code: bool
    detach: bool
    options: Mapping[str, Any]
    timeout: float | None
    yes: bool
    as_json: bool
    quiet: bool
    verbose: bool


STOPS: Final = frozenset(
    {
        ExitCode.TIMEOUT,
        ExitCode.KEY_REFUSED,
        ExitCode.UNREACHABLE,
        ExitCode.INTERRUPTED,
        ExitCode.TERMINATED,
        ExitCode.BROKEN_PIPE,
        ExitCode.USAGE,
    }
)


@dataclass(slots=True, kw_only=True)
class NightCalls:
    """One call of the command: its nights one after another. `events`: its event in each run, by run id."""

    settings: Settings
    database: Database
    lease: EngineLease
    flags: EvalFlags
    actor: Actor
    began_s: float = field(default_factory=time.monotonic)
    loaded: LoadResult | None = None
    is_sending_confirmed: bool = False
    events: dict[int, CommandEvent] = field(default_factory=dict)

    def finish(self, night: NightRow) -> int:
        """Finish a night that an earlier call left; where a person is needed, leave it with a note.

        What is wrong with it does not keep the command from measuring tonight, unless the exit code that is
        returned is one of STOPS.
        """
        if self._is_paused_by_user(night):
            self._note(f"{night.name} stays paused; to continue: runner resume {shell_word(night.name)}")
            return ExitCode.NO_VERDICT
        self._note(f"{night.name} was not finished: that comes first")
        try:
            self.refuse_foreign_files(night)
            code = self._follow(night)
            if code is None:
                self._report(night)
                return ExitCode.OK
        except (Unreachable, EngineBug):
            raise
        except UserError as error:
            print_note(error_block(error))
            code = ExitCode.NO_VERDICT
        if code not in STOPS and not self.flags.detach:
            print_note(f"{night.name} stays unfinished; runner status {night.name} shows why")
        return code

    def _is_paused_by_user(self, night: NightRow) -> bool:
        with self.database.read() as connection:
            measured = measurements(connection, night.id)
            run = runs.find(connection, measured[-1].run_id) if measured else None
        return run is not None and run.pause_reason == PauseReason.USER

    def refuse_foreign_files(self, night: NightRow) -> None:
        """Raise UserError where the files of a night could not be written at its end."""
        if not self.flags.detach:
            night_end.check_files(night, force=self.flags.force)

    def measure(self, night: NightRow, *, is_new: bool) -> int:
        """Measure a night, or carry it on; return the exit code."""
        if night.state is nights.NightState.ENDED and not is_new:
            self._note(f"{night.name} has its verdict; its files are written again")
        with self.database.read() as connection:
            measured = measurements(connection, night.id)
        for one in measured:
            self._take_options(night, one.run_id)
        code = self._follow(night)
        return self._report(night) if code is None else code

    def _take_options(self, night: NightRow, run_id: int) -> None:
        """Let a run that was loaded by an earlier call have the options that this one names."""
        with self.database.read() as connection:
            if runs.find(connection, run_id) is None:
                return
            named = named_for_run(connection, night, run_id, self.flags.options)
        self.events[run_id] = keep_options(self.database, run_id, self._event(run_id), named)

    def _event(self, run_id: int) -> CommandEvent:
        """Return the event of this call about a run, as far as it is on record."""
        return self.events.get(run_id) or CommandEvent(actor=self.actor, run_id=run_id)

    def _follow(self, night: NightRow) -> int | None:
        """Work until a night has ended, and return None; else the exit code of what stopped it."""
        steps = NightSteps(
            settings=self.settings,
            database=self.database,
            night_id=night.id,
            folder=Path(read_options(night.options).folder),
            note=self._note,
            loaded=self._note_loaded,
            actor=self.actor,
        )
        while (run_id := steps.advance()) is not None:
            try:
                code = self._work(run_id)
            except RunRemoved:  # by another command: the next step ends the night
                continue
            if code is not None:
                return code
        return None

    def _work(self, run_id: int) -> int | None:
        """Let the engine work on a run until it is over, and return None; else why it stopped."""
        require_api(self.settings)
        if not self._may_send(run_id):
            return ExitCode.USAGE
        if self.flags.options.get("budget_ticks"):
            budget_prices.require_prices(self.database, self.settings, run_id)
        command = rerun_command(sys.argv[1:], None)
        if self.flags.detach:
            self.lease.detach()
        with work.named_when_stopped(command):
            start = RunStart(event=self._event(run_id))
            has_work = work.activate_run(self.database, run_id, self.lease, start)
            if self.flags.detach and has_work:
                return self._leave_in_background(run_id)
            left_by = work.follow_run(
                self.settings, self.database, run_id, self.lease, self._following(), command
            )
        return self._stopped_by(run_id, command) if left_by is None else left_by

    def _may_send(self, run_id: int) -> bool:
        """Return whether to send what was loaded; asked once, on a terminal, where there are warnings."""
        if self.loaded is not None and not self.is_sending_confirmed:
            self.is_sending_confirmed = confirm_sending(self.loaded, yes=self.flags.yes)
            if not self.is_sending_confirmed:
                print_note(f"nothing was sent; run {run_id} stays loaded")
                return False
        return True

    def _leave_in_background(self, run_id: int) -> int:
        snapshot = read_snapshot(self.settings, self.database, run_id, Part.OBJECT)
        self._note(f"{snapshot.run.name} is at work; to watch it: runner watch {snapshot.run.name}")
        self._note("the same command without --detach writes the files when the night has ended")
        if self.flags.as_json:
            print_json(live_object(snapshot))
        return ExitCode.OK

    def _stopped_by(self, run_id: int, command: str) -> int | None:
        """Return None for a run that is over; else print why it has stopped, and return its exit code.

        Raises RunRemoved.
        """
        snapshot = read_snapshot(self.settings, self.database, run_id, Part.ENDING)
        if snapshot.run.state is RunState.REMOVING:
            raise RunRemoved(run_id)
        if snapshot.run.is_over:
            return None
        for line in ending_lines(snapshot, command, self.settings):
            print_note(line)
        if self.flags.as_json:
            print_json(live_object(snapshot))
        return snapshot.stored.exit_code

    def _report(self, night: NightRow) -> int:
        """Write the files of a night that has ended, print its report, call its command; return its code.

        Where the files cannot be written, as on a full disk, the report is printed all the same, with `quiet`
        too, and after it the error, whose exit code is returned.
        """
        ended = night_end.read_end(self.database, night.id)
        error = self._write_files(ended)
        try:
            if self.flags.as_json or error is not None or not self.flags.quiet:
                print_night(ended.report, as_json=self.flags.as_json)
            self._add_to_workflow(ended.report)
        finally:  # also where stdout is full
            written = ended.files.report if error is None else None
            problem = night_end.call_on_end(self.database, ended, output=written, to=sys.stderr)
            if problem:
                print_note(f"warning: {problem}")
        if error is not None:
            print_note(error_block(error))
            return error.exit_code
        return ended.report.exit_code

    def _write_files(self, ended: EndedNight) -> UserError | None:
        """Write the files of a night; return the error where they cannot be written."""
        try:
            night_end.write_files(self.database, ended, force=self.flags.force)
        except UserError as error:
            return error
        return None

    def _add_to_workflow(self, report: NightReport) -> None:
        """Add the report to the summary of a workflow's step, and annotations of it to the log."""
        problem = write_step_summary(night_markdown(report), os.environ)
        if problem:
            print_note(f"warning: {problem}")
        if is_github_actions(os.environ):
            for line in workflow_commands.night_annotations(report):
                print_note(line)

    def _following(self) -> StartFlags:
        """Return the flags for following a run; the timeout is that of the whole command."""
        timeout_s = self.flags.timeout
        if timeout_s is not None:
            timeout_s = max(0.0, timeout_s - (time.monotonic() - self.began_s))
        return StartFlags(
            detach=False,
            timeout=timeout_s,
            as_json=self.flags.as_json,
            quiet=self.flags.quiet,
            verbose=self.flags.verbose,
        )

    def _note(self, line: str) -> None:
        if not self.flags.quiet:
            print_note(line)

    def _note_loaded(self, loaded: LoadResult) -> None:
        self.loaded = loaded
        if loaded.event is not None:
            self.events[loaded.run_id] = loaded.event
        if not self.flags.quiet:
            for line in loaded_lines(loaded, is_other_path=False, model=None):
                print_note(line)
