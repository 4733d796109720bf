"""Load an input as a run, follow it, write its files: what `run` and `label` do."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runner.cli.printing import print_escaped, print_json, print_note
from runner.cli.render.ending_text import rerun_command
from runner.cli.render.summary_table import summary_lines
from runner.cli.session import budget_prices, work
from runner.cli.session.context import any_database, require_api
from runner.cli.session.ending import ending_lines, folder_of
from runner.cli.session.loading import confirm_sending, load_file
from runner.cli.session.results_to_stdout import print_results, refuse_bytes_on_terminal
from runner.cli.session.run_choice import choose_run
from runner.cli.session.run_state import read_snapshot
from runner.db import recheck_moves, removal, runs
from runner.db.counters import Deltas
from runner.db.run_snapshot import Part
from runner.db.runs import RunOptions
from runner.engine import run_completion
from runner.output.contents import TableOptions
from runner.output.file_owner import refuse_foreign_files, run_tag
from runner.output.files import STDOUT, check_places, paths, refuse_input
from runner.output.labeling import labeling_of
from runner.output.output_name import check_lines_name, table_format
from runner.output.write import write_run
from runner.rules import stored_recipe
from runner.rules.errors import UsageError
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runner.cli.flags import RunFlags
    from runner.cli.session.engine_lease import EngineLease
    from runner.cli.session.run_choice import RunChoice
    from runner.cli.session.saved_recipe import SavedRecipe
    from runner.db.runs import RunRow
    from runner.db.session import Database
    from runner.intake.load import LoadResult
    from runner.intake.run_input import RunInput
    from runner.output.files import Paths
    from runner.output.write import WrittenFiles
    from runner.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedInput:
    """An input as a command was given it.

    `file` is what was typed, `name` the run's name if one is given, `output` where its results are written by
    default, from the name of its run. `given_model` is that of --model where lines may name another. `saved`
    is the recipe file that is written once the table is loaded.
    """

    input: RunInput
    file: str
    name: str | None
    output: Callable[[RunChoice], Path]
    given_model: str | None = None
    saved: SavedRecipe | None = None


def run_input(settings: Settings, lease: EngineLease, named: NamedInput, flags: RunFlags) -> int:
    """Load an input, work until the run stops, write its files; return the exit code."""
    path = named.input.path
    with any_database(settings) as database:
        choice = choose_run(
            database,
            path,
            flags.occasion,
            now_ms=database.now_ms(),
            name=named.name,
            new=flags.new,
            quiet=flags.quiet,
        )
        targets = _targets(named, choice, flags)
        if (
            flags.new and targets is not None
        ):  # it has no files yet, so these would be another run's: refused before loading
            refuse_foreign_files(targets, tag="", force=flags.force)
        loaded = load_file(
            database,
            named.input,
            settings,
            choice,
            given_model=named.given_model,
            options=_options(flags, None),
            quiet=flags.quiet,
        )
        if not loaded.is_new and named.input.recipe is not None:
            _take_output(database, loaded.run_id, named.input.recipe, quiet=flags.quiet)
        if choice.occasion is not None and choice.run_name != loaded.name:
            targets = _targets(named, replace(choice, run_name=loaded.name), flags)
        call = _RunCall(
            settings=settings,
            database=database,
            lease=lease,
            targets=targets,
            flags=flags,
            file=named.file,
            table=None if named.input.recipe is None else TableOptions(input_path=path),
            occasion=choice.occasion,
        )
        call.refuse_foreign_files(loaded)
        if named.saved is not None:
            named.saved.write()
        return call.work_and_write(loaded)


@dataclass(frozen=True, slots=True, kw_only=True)
class _RunCall:
    """One call of the command, from the loaded run to its exit code.

    Without `targets` the results go to stdout.
    """

    settings: Settings
    database: Database
    lease: EngineLease
    targets: Paths | None
    flags: RunFlags
    file: str
    table: TableOptions | None
    occasion: str | None

    def work_and_write(self, loaded: LoadResult) -> int:
        """Work until the run stops, write its files, print its summary; return the exit code."""
        run = self._run(loaded.run_id)
        if not loaded.total:
            self._complete_empty(run.id)
            return self._write(run.id)
        if run.is_over:
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
        budget_ticks = budget_prices.effective_budget(self.database, run_id, self.flags.budget)
        if budget_ticks is not None:
            budget_prices.require_prices(self.database, self.settings, run_id)
        with self.database.write() as connection:
            runs.replace_options(
                connection,
                run_id,
                options=_options(self.flags, budget_ticks),
                output_path=self._output_path,
            )
        command = self._continue_command(run_id)
        with work.named_when_stopped(command):
            work.activate_run(self.database, run_id, self.lease)
            end = work.follow_run(
                self.settings,
                self.database,
                run_id,
                self.lease,
                quiet=self.flags.quiet,
                verbose=self.flags.verbose,
                timeout_s=self.flags.timeout,
            )
            if end.left_by is not None:
                work.leave_run(
                    self.settings,
                    self.database,
                    run_id,
                    self.lease,
                    command=command,
                    as_json=self.flags.as_json,
                )
                return end.left_by
        return self._write(run_id)

    def _complete_empty(self, run_id: int) -> None:
        """Complete a run without jobs: there is nothing to send, so no engine is needed."""
        now_ms = self.database.now_ms()
        with self.database.write() as connection:
            options = _options(self.flags, self.flags.budget or None)
            runs.replace_options(connection, run_id, options=options, output_path=self._output_path)
            runs.start(connection, run_id, now_ms)
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

    @property
    def _output_path(self) -> str | None:
        return None if self.targets is None else str(self.targets.results.absolute())

    def _run(self, run_id: int) -> RunRow:
        return read_snapshot(self.settings, self.database, run_id).run

    def _continue_command(self, run_id: int) -> str:
        """Return the command that continues a run: the same one, or by id if the input was stdin."""
        if self.file == "-":
            return f"runner start {run_id}"
        return rerun_command(sys.argv[1:], self.occasion)


def _targets(named: NamedInput, choice: RunChoice, flags: RunFlags) -> Paths | None:
    """Return the paths of the output, None for stdout; all that refuses them is found before a line is sent.

    Raises UserError where one cannot be written, is the input, or would not be what its name says.
    """
    output = flags.output or named.output(choice)
    recipe = named.input.recipe
    if output == STDOUT:
        refuse_bytes_on_terminal(None if recipe is None else labeling_of(recipe).read.format)
        return None
    targets = paths(output)
    if recipe is None:
        check_lines_name(output)
    else:
        table_format(output)
    check_places(targets)
    refuse_input(targets, named.input.path, "the job file" if recipe is None else "the table")
    return targets


def _take_output(database: Database, run_id: int, wanted: str, *, quiet: bool) -> None:
    """Let a run have the columns and the prefix of this recipe; print what else it keeps of its own."""
    with database.write() as connection:
        runs.lock(connection, run_id)
        run = runs.find(connection, run_id)
        if run is None or run.recipe is None:
            return
        recipe = stored_recipe.with_output(run.recipe, wanted)
        if recipe != run.recipe:
            recheck_moves.set_recipe(connection, run_id, recipe)
    kept = stored_recipe.differences(run.recipe, wanted)
    if kept and not quiet:
        print_note(f"note: run {run_id} keeps what it was loaded with: {', '.join(kept)}")


def _options(flags: RunFlags, budget_ticks: int | None) -> RunOptions:
    return RunOptions(
        rpm=flags.rpm,
        tpm=flags.tpm,
        max_attempts=flags.max_attempts,
        on_ambiguous=flags.on_ambiguous,
        max_waiting=flags.max_waiting,
        limit=flags.limit,
        max_failures=flags.max_failures,
        fail_on=flags.fail_on,
        on_end=flags.on_end,
        budget_ticks=budget_ticks,
    )
