"""Takes the steps of a night that need no engine: load, grade, decide. Each may be taken again after a crash.

| what is there | the step |
|---|---|
| no measurement | load the first as a run |
| a measurement whose run is not over | none: the engine works on it |
| a run that is over, and is not graded since | grade its answers |
| all measurements graded | decide: the night ends, or is measured again as a whole |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.db.evaluation import nights
from runner.db.evaluation.measurements import measurements, set_graded
from runner.db.evaluation.nights import NightState
from runner.db.runs import runs
from runner.evals.grading.grade_measurement import grade_run
from runner.evals.grading.suite_graders import open_graders
from runner.evals.night import decide_night
from runner.evals.night.load_measurement import load_measurement, run_options
from runner.evals.night.stored_night import read_graded, read_items, read_night
from runner.evals.regrade_nights import only, regrade_pool, without_files
from runner.rules.errors import UsageError
from runner.rules.evaluation.gate.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runner.db.evaluation.measurements import MeasurementRow
    from runner.db.evaluation.nights import NightRow
    from runner.db.events.trail import Actor
    from runner.db.session import Database
    from runner.evals.night.stored_night import StoredNight
    from runner.intake.load import LoadResult
    from runner.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class NightSteps:
    """The steps of one night. `note` is called with a line for people, `loaded` with each new run.

    `actor`: the command that takes them; None in a worker.
    """

    settings: Settings
    database: Database
    night_id: int
    folder: Path
    note: Callable[[str], None]
    loaded: Callable[[LoadResult], None]
    actor: Actor | None = None

    def advance(self) -> int | None:
        """Take every step that can be taken; return the run to work on, or None where the night has ended.

        A night whose run was removed before it was graded ends without a verdict: what was paid for is not
        paid again unasked. Raises UserError.
        """
        while True:
            night = self._read()
            with self.database.read() as connection:
                measured = measurements(connection, night.row.id)
            if not measured:
                self._load(night, 1)
                continue
            run_id = self._graded(night, measured)
            if run_id is not None or self._is_settled(night, measured):
                return run_id
            regrade_pool(self.database, night, self.folder)
            report = decide_night.decide(self.database, night)
            if report.verdict is Verdict.MEASURE_AGAIN:
                self.note(f"{night.row.name} looks worse: all of it is measured again before a verdict")
                self._load(night, 2)

    def _read(self) -> StoredNight:
        with self.database.read() as connection:
            return read_night(connection, _require(nights.find_by_id(connection, self.night_id)))

    def _load(self, night: StoredNight, number: int) -> None:
        with self.database.read() as connection:
            budget_ticks = decide_night.remaining_ticks(connection, night)
            items = read_items(connection, night)
        options = run_options(night.options, budget_ticks=budget_ticks)
        self.loaded(
            load_measurement(
                self.database, self.settings, night.row, night.suite, items, number, options, self.actor
            )
        )

    def _graded(self, night: StoredNight, measured: list[MeasurementRow]) -> int | None:
        """Grade what is over and not graded since; return a run that is not over, else None."""
        for one in measured:
            with self.database.read() as connection:
                run = runs.find_whole(connection, one.run_id)
            if run is None:  # it was removed: what was not graded before has no scores
                continue
            if not run.is_over:
                return run.id
            if not one.is_graded or _is_later(run.finished_at_ms, night.row):
                self._grade(night, one)
        return None

    def _grade(self, night: StoredNight, measurement: MeasurementRow) -> None:
        options = night.options
        with self.database.read() as connection:
            graded = read_graded(connection, night)
        if measurement.number > 1:  # the scores of a file are those of the first one
            graded = graded._replace(graders=without_files(night.suite, graded.graders))
        suite = only(night.suite, graded.graders)
        with open_graders(suite, self.folder, trusts_code=options.trusts_code) as graders:
            grade_run(self.database, measurement.id, measurement.run_id, graded, graders)
        with self.database.write() as connection:
            set_graded(connection, measurement.id)

    def _is_settled(self, night: StoredNight, measured: list[MeasurementRow]) -> bool:
        """Return whether the night has ended, and nothing came since."""
        if night.row.state is not NightState.ENDED:
            return False
        with self.database.read() as connection:
            found = [runs.find_whole(connection, one.run_id) for one in measured]
        return not any(run is not None and _is_later(run.finished_at_ms, night.row) for run in found)


def _is_later(finished_at_ms: int | None, night: NightRow) -> bool:
    """Return whether a run ended after its night: some of its jobs were retried."""
    return night.ended_at_ms is not None and (finished_at_ms or 0) > night.ended_at_ms


def _require(row: NightRow | None) -> NightRow:
    if row is None:
        raise UsageError("the night is gone", fix="runner history shows the nights of a suite")
    return row
