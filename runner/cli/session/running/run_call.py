"""One call of a command that loads and works, from the loaded run to its exit code."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.cli.printing import print_escaped, print_json, print_note
from runner.cli.render.runs.summary_table import summary_lines
from runner.cli.session.context import require_api
from runner.cli.session.following.ending import ending_lines, folder_of
from runner.cli.session.following.run_state import read_snapshot
from runner.cli.session.running import budget_prices, work
from runner.cli.session.running.loading import confirm_sending
from runner.cli.session.running.results_to_stdout import print_results
from runner.cli.session.running.run_start import RunStart, keep_options, start_in_trail
from runner.db.counts.counters import Deltas
from runner.db.runs import removal
from runner.db.runs.run_snapshot import Part
from runner.engine.runs import run_completion
from runner.intake.input_file import STDIN
from runner.output.file_owner import refuse_foreign_files, run_tag
from runner.output.write import write_run
from runner.rules.command_line import rerun_command
from runner.rules.errors import UsageError
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from runner.cli.flag_values import RunFlags
    from runner.cli.session.engine_lease import EngineLease
    from runner.db.events.trail import CommandEvent
    from runner.db.runs.run_row import RunRow
    from runner.db.session import Database
    from runner.intake.load import LoadResult
    from runner.output.contents import TableOptions
    from runner.output.files import Paths
    from runner.output.write import WrittenFiles
    from runner.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCall:
    """One call of the command, from the loaded run to its exit code.

    Without `targets` the results go to stdout. `event` is that of this call in the trail of the run.
    """

    settings: Settings
    database: Database
    lease: EngineLease
    targets: Paths | None
    flags: RunFlags
    file: str
    table: TableOptions | None
    occasion: str | None
    event: CommandEvent

    def work_and_write(self, loaded: LoadResult) -> int:
        """Work until the run stops, write its files, print its summary; return the exit code."""
        run = self._run(loaded.run_id)
        self.lease.follow(run.id)
        if not loaded.total:
            self._complete_empty(run.id)
            return self._write(run.id)
        if run.is_over:
            keep_options(self.database, run.id, self.event, self.flags.options)
            if not self.flags.quiet:
                what = "results" if self.targets is None else "files"
                print_note(f"run {run.id} is already {run.state}; its {what} are written again")
            return self._write(run.id)
        require_api(self.settings)
        if not confirm_sending(loaded, yes=self.flags.yes):
            print_note(f"nothing was sent; run {run.id} stays loaded")
            return ExitCode.USAGE
        return self._work(run.id)

    def refuse_foreign_files(self, loaded: LoadResult) -> None:
        """Raise UsageError for files of others; a run that this call has loaded does not stay behind."""
        if self.targets is None:
            return
        run = self._run(loaded.run_id)
        try:
            refuse_foreign_files(self.targets, run_tag(run), force=self.flags.force)
        except UsageError:
            if loaded.is_new:
                removal.remove_unsent(self.database, run.id)
                print_note(f"run {run.id} was removed again: nothing of it was sent")
            raise

    def _work(self, run_id: int) -> int:
        budget_ticks = budget_prices.effective_budget(self.database, run_id, self.flags.options)
        if budget_ticks is not None:
            budget_prices.require_prices(self.database, self.settings, run_id)
        command = self._continue_command(run_id)
        with work.named_when_stopped(command):
            work.activate_run(self.database, run_id, self.lease, self._start)
            left_by = work.follow_run(self.settings, self.database, run_id, self.lease, self.flags, command)
        return self._write(run_id) if left_by is None else left_by

    @property
    def _start(self) -> RunStart:
        """Return what this call changes of the run: what it names, and where it writes the results."""
        return RunStart(
            event=self.event,
            options=self.flags.options,
            output_path=None if self.targets is None else str(self.targets.results.absolute()),
        )

    def _complete_empty(self, run_id: int) -> None:
        """Complete a run without jobs: there is nothing to send, so no engine is needed."""
        now_ms = self.database.now_ms()
        with self.database.write() as connection:
            start_in_trail(connection, run_id, now_ms, self._start, is_at_work=True)
            run_completion.complete_if_done(connection, run_id, now_ms, Deltas(0))

    def _write(self, run_id: int) -> int:
        """Write what the run has, print its summary and how it ended; return its exit code."""
        written = None
        if self.targets is not None:
            # the table that was named has the run's content, also where the run was loaded from another path
            written = write_run(
                self.database, run_id, self.targets.results, force=self.flags.force, table=self.table
            )
        try:
            if written is None:
                self._print_results(run_id)
            else:
                self._print_summary(written)
            snapshot = read_snapshot(self.settings, self.database, run_id, Part.ENDING)
            for line in ending_lines(snapshot, self._continue_command(run_id), self.settings):
                print_note(line)
        finally:  # also where stdout is full
            work.call_on_end(self.database, run_id)
        return snapshot.stored.exit_code

    def _print_results(self, run_id: int) -> None:
        """Print the results to stdout, and the summary to stderr."""
        quiet = self.flags.quiet
        summary = print_results(self.database, run_id, self.table, quiet=quiet)
        for line in [] if quiet else summary_lines(summary):
            print_note(line)

    def _print_summary(self, written: WrittenFiles) -> None:
        if self.flags.as_json:
            print_json(written.summary)
        elif not self.flags.quiet:
            for line in summary_lines(written.summary, folder_of(written.paths.results)):
                print_escaped(line)

    def _run(self, run_id: int) -> RunRow:
        return read_snapshot(self.settings, self.database, run_id).run

    def _continue_command(self, run_id: int) -> str:
        """Return the command that continues a run: the same one, or by id if the input was stdin."""
        if self.file == str(STDIN):
            return f"runner start {run_id}"
        return rerun_command(sys.argv[1:], self.occasion)
