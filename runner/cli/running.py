"""What `runner run` does once its flags are read: load, work, write, tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.cli import json, snapshot, spending, text, working
from runner.cli.loading import load_file, may_go_on, source_of
from runner.cli.offers import at_rest
from runner.cli.opening import any_database, need_key
from runner.cli.report import summary_lines
from runner.db import runs
from runner.db.runs import RunOptions
from runner.intake.reading import Shaping
from runner.output.claim import claim, mark_of
from runner.output.files import check_place, default_output, paths
from runner.output.write import write_run
from runner.rules.errors import UsageError
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from runner.cli.hold import Hold
    from runner.db.session import Database
    from runner.intake.load import Loaded
    from runner.output.files import Paths
    from runner.output.write import Written
    from runner.settings import Settings


def run_file(settings: Settings, hold: Hold, file: Path, given: dict[str, Any]) -> int:
    """Do what the command says; `given` are its flags by name. Return the exit code."""
    source, name = source_of(file, given["name"], settings)
    targets = paths(given["output"] or default_output(source if str(file) != "-" else Path(name or "stdin")))
    _check(source, targets)
    if given["new"]:  # it has no files yet, so these would be another run's: told before anything is loaded
        claim(targets, mark="", force=given["force"])
    with any_database(settings) as database:
        loaded = load_file(
            database,
            source,
            settings,
            name=name,
            new=given["new"],
            shaping=_shaping(given),
            options=_options(given, None),
            quiet=given["quiet"],
        )
        return _Run(settings, database, hold, targets, given, str(file)).go(loaded)


class _Run:
    """One call of the command, from the loaded run to its exit code."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        hold: Hold,
        targets: Paths,
        given: dict[str, Any],
        file: str,
    ) -> None:
        self._settings, self._database, self._hold = settings, database, hold
        self._targets, self._given, self._file = targets, given, file

    def go(self, loaded: Loaded) -> int:
        """Work until the run stands still, write its files, tell."""
        seen = snapshot.read(self._database, loaded.run_id)
        claim(self._targets, mark_of(seen.run), force=self._given["force"])
        if seen.run.is_over:
            self._say(f"run {seen.run.id} has {seen.run.state} before; its files are written again")
            return self._write(seen.run.id)
        need_key(self._settings)
        if not may_go_on(loaded, yes=self._given["yes"]):
            text.note(f"nothing was sent; run {seen.run.id} stays loaded")
            return ExitCode.USAGE
        return self._work(seen.run.id)

    def _work(self, run_id: int) -> int:
        given = self._given
        budget_ticks = spending.chosen(self._database, run_id, given["budget"])
        if budget_ticks is not None:
            spending.need_prices(self._database, self._settings, run_id)
        with self._database.write() as connection:
            output = str(self._targets.results.absolute())
            runs.adopt(connection, run_id, options=_options(given, budget_ticks), output_path=output)
        working.set_to_work(self._database, run_id, self._hold)
        ending = working.stay(
            self._settings,
            self._database,
            run_id,
            self._hold,
            quiet=given["quiet"],
            verbose=given["verbose"],
            timeout_s=given["timeout"],
        )
        if ending.left_by is None:
            return self._write(run_id)
        again = working.typed_command(run_id, self._file)
        working.leave(self._database, run_id, self._hold, command=again, as_json=given["as_json"])
        return ending.left_by

    def _write(self, run_id: int) -> int:
        written = write_run(self._database, run_id, self._targets.results, force=self._given["force"])
        seen = snapshot.read(self._database, run_id)
        self._tell(written)
        again = working.typed_command(run_id, self._file)
        for line in at_rest(self._database, seen, again, self._settings):
            text.note(line)
        working.tell_end(self._database, run_id)
        return working.code_of(seen)

    def _tell(self, written: Written) -> None:
        if self._given["as_json"]:
            json.emit(written.summary)
        elif not self._given["quiet"]:
            for line in summary_lines(written.summary, folder_of(written)):
                text.out(line)

    def _say(self, line: str) -> None:
        if not self._given["quiet"]:
            text.note(line)


def folder_of(written: Written) -> str:
    """Give what stands before the names of written files, as the user would write it."""
    folder = str(written.paths.results.parent)
    return "" if folder == "." else f"{folder}/"


def _check(source: Path, targets: Paths) -> None:
    """Refuse outputs that cannot be, before anything is read; the input above all."""
    for target in targets:
        check_place(target)
        if source.exists() and target.exists() and target.samefile(source):
            raise UsageError(f"{target} is the job file itself", fix="name another output with -o")


def _shaping(given: dict[str, Any]) -> Shaping:
    return Shaping(
        model=given["model"], skip_bad=given["skip_bad"], strict=given["strict"], tpm=given["tpm"] or None
    )


def _options(given: dict[str, Any], budget_ticks: int | None) -> RunOptions:
    names = (
        "rpm",
        "tpm",
        "max_attempts",
        "on_ambiguous",
        "max_waiting",
        "limit",
        "max_failures",
        "fail_on",
        "on_end",
    )
    return RunOptions(**{name: given[name] for name in names}, budget_ticks=budget_ticks)
