"""The items of a night beside those of its baseline, as files and `compare NIGHT --items` have them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from night_driver import NightDriver, item, suite_of

from runner.db.evaluation import facts, nights
from runner.evals.night.item_lines import changed_items, item_lines
from runner.rules.evaluation.report.make_report import night_report
from runner.rules.evaluation.suite.suite import GateSpec

if TYPE_CHECKING:
    from runner.db.session import Database

PINNED = GateSpec(rule="no-drop", grader="correct", baseline="pinned:spring")


def test_items_are_beside_the_baseline_of_their_gate(database: Database) -> None:
    """The list of all items and the report say the same: here of a pinned night, not of the pool."""
    suite = replace(suite_of("correct"), gates=(PINNED,))
    driver = NightDriver(database, suite)
    for number in range(5):
        night = driver.begin(f"n{number}", items=[item("a")])
        value = 1.0 if number == 0 else 0.5
        driver.measure(night, {"correct": {"a": [value, value]}}, run_id=number + 1)
        if number == 0:
            driver.write(nights.pin, night.id, "spring")
        if number < 4:
            driver.end(night)

    (line,) = driver.read(lambda connection: list(item_lines(connection, night, suite)))
    changed = driver.read(changed_items, night, suite)
    report = night_report(driver.read(facts.read_facts, night, suite))
    assert (line.score, line.base_answers, line.base_score) == (1.0, 2, 2.0)
    assert changed == report.items.changes
    assert [(one.id, one.score, one.base_score) for one in changed] == [("a", 1.0, 2.0)]


def test_without_a_baseline_items_are_beside_nothing(database: Database) -> None:
    """With two nights before there is none yet, for the report and for the list."""
    driver = NightDriver(database)
    for number in range(3):
        night = driver.begin(f"n{number}", items=[item("a")])
        driver.measure(night, {"correct": {"a": [number / 2, None]}}, run_id=number + 1)
        if number < 2:
            driver.end(night)

    (line,) = driver.read(lambda connection: list(item_lines(connection, night, driver.suite)))
    assert (line.answers, line.measured, line.score) == (2, 1, 1.0)
    assert (line.base_answers, line.base_score) == (None, None)
    assert driver.read(changed_items, night, driver.suite) == []
