"""Grading the answers of a run on a real database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from night_driver import NightDriver, add_result, item
from run_driver import first_job, new_run
from sqlalchemy import text

from runner.db.evaluation.facts import read_facts
from runner.db.evaluation.measurements import add_measurement, set_graded
from runner.evals.grading.grade_measurement import grade_run
from runner.evals.grading.suite_graders import open_graders
from runner.evals.night.stored_night import read_graded, read_night
from runner.rules.evaluation.report.night_facts import Column

if TYPE_CHECKING:
    from pathlib import Path

    from runner.db.session import Database


def completion(words: str) -> bytes:
    """Return the body of an answer."""
    message = {"role": "assistant", "content": words}
    return orjson.dumps({"choices": [{"message": message, "finish_reason": "stop"}]})


def test_the_first_readable_answer_counts(database: Database, tmp_path: Path) -> None:
    """To draw again until an answer is right would measure something else; a lost answer has no score."""
    driver = NightDriver(database)
    night = driver.begin(items=[item("a")])
    run = new_run(database, 2)
    first = first_job(run)
    rename = text("UPDATE jobs SET custom_id = :name WHERE id = :job")
    with database.write() as connection:
        connection.execute(rename, [{"name": f"a#{n + 1}", "job": first + n} for n in (0, 1)])
    for attempt, body in enumerate([b"<html>", completion("no"), completion("yes")], 1):
        add_result(database, first, attempt, body)
    measurement = driver.write(add_measurement, night.id, 1, run.run_id)
    stored = driver.read(read_night, night)
    graded = driver.read(read_graded, stored)

    with open_graders(stored.suite, tmp_path, trusts_code=False) as graders:
        grade_run(database, measurement.id, run.run_id, graded, graders)
    driver.write(set_graded, measurement.id)

    found = driver.read(read_facts, night, stored.suite).first
    assert found.scores == {Column("", "correct"): {"a": [0, None]}}
    assert (found.answers.answered, found.answers.redrawn, sum(found.answers.lost.values())) == (1, 1, 1)
