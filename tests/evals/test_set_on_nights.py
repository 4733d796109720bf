"""`set` on a run of a night: the night keeps it for its further runs, as long as it has no verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from actors import ANN
from night_driver import NightDriver, item
from run_driver import new_run
from sqlalchemy import text

from runner import settings as settings_of
from runner.cli.session.steering.change_options import change_options, plan_options
from runner.db.counts.counters import Deltas
from runner.db.evaluation import measurements, nights
from runner.db.runs import runs
from runner.db.runs.run_row import RunOptions
from runner.evals.night.load_measurement import load_measurement
from runner.evals.night.night_options import NightOptions, read_options
from runner.rules.evaluation.suite.suite_json import decode_suite

if TYPE_CHECKING:
    from pathlib import Path

    from runner.db.evaluation.nights import NightRow
    from runner.db.session import Database

BUDGET = 1_000


def begun(database: Database, measured: int) -> tuple[NightRow, list[int]]:
    """Return a night with a budget, and its runs; each has spent 100 ticks."""
    driver = NightDriver(database)
    night = driver.begin("n1")
    options = NightOptions(folder="/", output="/", budget_ticks=BUDGET)
    ids = [new_run(database, 1, identity=f"m{number}").run_id for number in range(measured)]
    with database.write() as connection:
        nights.set_options(connection, night.id, options.encoded())
        for number, run_id in enumerate(ids, start=1):
            measurements.add_measurement(connection, night.id, number, run_id)
            spent = Deltas(0)
            spent.add(run_id, "ticks", "reported", 100)
            spent.write(connection)
    return replace(night, options=options.encoded()), ids


def options_of(database: Database, night: NightRow, ids: list[int]) -> tuple[NightOptions, list[RunOptions]]:
    with database.read() as connection:
        found = nights.find_by_id(connection, night.id)
        rows = [runs.find(connection, run_id) for run_id in ids]
    assert found is not None
    return read_options(found.options), [row.options for row in rows if row is not None]


def test_the_night_and_both_of_its_runs_take_what_is_set(database: Database) -> None:
    """Whichever run is named; each has what the budget of the night leaves for it."""
    night, ids = begun(database, 2)
    named: dict[str, Any] = {"budget_ticks": 5_000, "rpm": 60, "on_end": "true", "fail_on": ("length",)}
    planned = plan_options(database, ids[0], named)
    done = change_options(database, ANN, ids[0], named)

    assert (planned.change, planned.night) == (done.change, done.night)
    assert done.change.new == named
    assert done.change.old["budget_ticks"] == BUDGET
    of_night, of_runs = options_of(database, night, ids)
    assert (of_night.budget_ticks, of_night.rpm, of_night.on_end) == (5_000, 60, "true")
    for options in of_runs:
        assert (options.budget_ticks, options.rpm, options.on_end) == (4_900, 60, None)
        assert options.fail_on == ("length",)
    with database.read() as connection:
        kinds = connection.execute(text("SELECT kind FROM operator_events")).scalars().all()
        changed = connection.execute(text("SELECT run_id FROM run_events WHERE kind = 'set'")).scalars()
        assert (kinds, sorted(changed)) == (["night_set"], ids)


def test_a_night_with_a_verdict_keeps_its_options(database: Database) -> None:
    """Only the run is changed: its jobs may be sent again."""
    night, ids = begun(database, 1)
    NightDriver(database).end(night)
    done = change_options(database, ANN, ids[0], {"rpm": 60})

    of_night, of_runs = options_of(database, night, ids)
    assert (of_night.rpm, of_runs[0].rpm, done.night) == (None, 60, None)


def test_a_measurement_takes_what_was_set_while_it_was_loaded(database: Database, tmp_path: Path) -> None:
    """Its loader read the options of the night before."""
    night, ids = begun(database, 1)
    change_options(database, ANN, ids[0], {"rpm": 60, "max_attempts": 9})
    suite = decode_suite(night.spec)
    settings = settings_of.load({"RUNNER_HOME": str(tmp_path)}, None)
    loaded = load_measurement(
        database, settings, night, suite, [item("a")], 2, RunOptions(budget_ticks=BUDGET)
    )

    _, (options,) = options_of(database, night, [loaded.run_id])
    assert (options.rpm, options.max_attempts, options.budget_ticks) == (60, 9, BUDGET - 100)
