"""Nights in the background: what one of them meets keeps no other from its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from night_driver import NightDriver
from night_reports import regressed
from run_driver import new_run
from sqlalchemy import text

from runner import settings as settings_of
from runner.db.evaluation import measurements, night_runs, nights
from runner.evals.night.detached_nights import DetachedNights
from runner.evals.night.night_options import NightOptions, read_options
from runner.rules.json_object import encoded

if TYPE_CHECKING:
    from pathlib import Path

    from runner.db.session import Database


def test_a_bug_in_one_night_does_not_stop_the_reaper(database: Database, tmp_path: Path) -> None:
    """The night is left with what it met: a command shows it."""
    driver = NightDriver(database)
    night = driver.begin("n1")
    options = NightOptions(folder=str(tmp_path), output=str(tmp_path), is_detached=True)
    run_id = new_run(database, 1).run_id
    with database.write() as connection:
        nights.set_options(connection, night.id, options.encoded())
        measurements.add_measurement(connection, night.id, 1, run_id)
        connection.execute(text("UPDATE runs SET state = 'finished', finished_at_ms = 5"))
        connection.execute(text("UPDATE eval_nights SET spec = :spec"), {"spec": b"no suite"})

    DetachedNights(settings_of.load({"RUNNER_HOME": str(tmp_path)}, None), database).advance()

    with database.read() as connection:
        assert night_runs.waiting_detached(connection) == []
        found = nights.find_by_id(connection, night.id)
    assert found is not None
    assert "a bug" in (read_options(found.options).problem or "")


def test_no_file_is_named_to_the_command_of_a_night_in_the_background(
    database: Database, tmp_path: Path
) -> None:
    """Workers write none: the suite's folder may be on another host."""
    driver = NightDriver(database)
    night = driver.begin("n1")
    command = f'echo "$RUN_VERDICT [$RUN_OUTPUT]" >{tmp_path}/called.txt'
    options = NightOptions(folder=str(tmp_path), output=str(tmp_path), is_detached=True, on_end=command)
    driver.write(nights.set_options, night.id, options.encoded())
    driver.end(night, "regressed", report=encoded(regressed()), now_ms=database.now_ms())

    DetachedNights(settings_of.load({"RUNNER_HOME": str(tmp_path)}, None), database).advance()

    assert (tmp_path / "called.txt").read_text() == "regressed []\n"


def test_a_command_that_joins_leaves_a_night_in_the_background(tmp_path: Path) -> None:
    """It may end before the night does; and one with --detach puts a night there."""
    here = NightOptions(folder=str(tmp_path), output=str(tmp_path))
    there = NightOptions(folder=str(tmp_path), output=str(tmp_path), is_detached=True)

    assert here.carried_on(there, ()).is_detached
    assert there.carried_on(here, ()).is_detached
    assert not here.carried_on(here, ()).is_detached
