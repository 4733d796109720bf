"""Loads a measurement of a night as a run: every item of every variant, epoch by epoch."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from runner.db.evaluation import nights
from runner.db.evaluation.measurements import add_measurement, lock_night
from runner.db.runs import stored_options
from runner.db.runs.run_row import RunOptions
from runner.embedded.loading_lock import loading_lock, occasion_lock
from runner.embedded.read_team_limits import read_team_limits
from runner.embedded.state_folder import StateFolder
from runner.evals.night.change_night import named_for_run
from runner.evals.night.compile_night import job_lines
from runner.evals.night.night_options import read_options
from runner.intake.job_file import LoadFlags
from runner.intake.job_file_input import JobFile
from runner.intake.load import WantedRun, load
from runner.rules.evaluation.suite.suite import AGAIN
from runner.rules.sending.rate_limits import GivenLimits
from runner.tables.draft_file import DraftFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from runner.db.evaluation.nights import NightRow
    from runner.db.events.trail import Actor
    from runner.db.session import Database
    from runner.evals.night.night_options import NightOptions
    from runner.intake.load import LoadResult
    from runner.rules.evaluation.suite.item import Item
    from runner.rules.evaluation.suite.suite import Suite
    from runner.settings import Settings


def load_measurement(
    database: Database,
    settings: Settings,
    night: NightRow,
    suite: Suite,
    items: Sequence[Item],
    number: int,
    options: RunOptions,
    actor: Actor | None = None,
) -> LoadResult:
    """Load measurement 1 or 2 of a night, once: the same call after a crash finds its run.

    The job lines are kept in the state folder. `actor`: the command; None in a worker. Raises UserError.
    """
    stem = suite.name if number == 1 else f"{suite.name}{AGAIN}"
    occasion = night.name.rpartition("@")[2]
    folder = StateFolder(settings.home)
    folder.prepare()
    kept = folder.path / "evals"
    kept.mkdir(mode=0o700, exist_ok=True)
    lines = job_lines(suite, items)
    path = kept / f"{stem}@{occasion}.jsonl"
    _write(path, lines)
    with database.read() as connection:
        team = read_team_limits(connection, settings)
    limits = GivenLimits(tpm=options.tpm, team_tpm=team.tpm)
    with occasion_lock(settings, database, stem):
        loaded = load(
            database,
            JobFile(path, LoadFlags(model=suite.subjects[0].model, limits=limits)),
            WantedRun(name=stem, occasion=occasion, options=options, is_of_night=True, actor=actor),
            lock=partial(loading_lock, settings),
        )
        with database.write() as connection:
            add_measurement(connection, night.id, number, loaded.run_id)
            _take_options(connection, night.id, loaded.run_id, database.now_ms())
    return loaded


def _take_options(connection: Connection, night_id: int, run_id: int, now_ms: int) -> None:
    """Give a run what a command has set of its night since the loading began."""
    lock_night(connection, night_id)
    night = nights.find_by_id(connection, night_id)
    if night is not None:
        named = read_options(night.options).kept()
        stored_options.change(connection, run_id, named_for_run(connection, night, run_id, named), now_ms)


def run_options(options: NightOptions, *, budget_ticks: int | None) -> RunOptions:
    """Return the options of a night's run; its end is the night's affair, so it has no --on-end."""
    return RunOptions(
        rpm=options.rpm,
        tpm=options.tpm,
        max_attempts=options.max_attempts,
        on_ambiguous=options.on_ambiguous,
        max_waiting=options.max_waiting,
        max_failures=options.max_failures,
        budget_ticks=budget_ticks,
        is_detached=options.is_detached,
    )


def _write(path: Path, lines: Iterable[bytes]) -> None:
    """Write job lines to a file, whole or not at all; the same lines again change nothing."""
    with DraftFile(path, flag="RUNNER_HOME") as draft:
        for line in lines:
            draft.add(line + b"\n")
        draft.finish()
        draft.publish()
