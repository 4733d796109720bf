"""The history of a suite: a line a night, from its newest verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import orjson
from night_driver import NightDriver, suite_of

from runner.db.evaluation import history, nights

if TYPE_CHECKING:
    from runner.db.session import Database


def test_a_night_shows_the_numbers_of_its_newest_verdict(database: Database) -> None:
    """Of the primary grader and the first variant; a night without a verdict has none of them."""
    driver = NightDriver(database)
    first = driver.begin("n1")
    driver.end(first, "regressed", exit_code=10, is_accepted=False)
    grader = {"is_primary": True, "measured": 5, "answers": 6, "mean": None}
    newer = {"services": [], "cost": {"ticks": 90}, "graders": [grader]}
    driver.end(first, report=orjson.dumps(newer), is_accepted=False, is_regrade=True)
    second = driver.begin("n2")
    driver.end(second)
    driver.write(nights.pin, second.id, "spring")
    driver.begin("n3")
    NightDriver(database, replace(suite_of("correct"), name="others")).begin("n4")

    found = driver.read(history.read, "answers")

    assert [night.occasion for night in found] == ["n1", "n2", "n3"]
    assert [night.verdict for night in found] == ["passed", "passed", None]
    assert [night.mean for night in found] == [None, 0.8, None]
    assert [(night.measured, night.answers, night.ticks) for night in found[:2]] == [(5, 6, 90), (5, 6, 70)]
    assert [night.services for night in found] == [(), (("grok-4.3", "fp_1", 6),), ()]
    assert [night.is_accepted for night in found] == [False, True, False]
    assert [night.pinned_as for night in found] == [None, "spring", None]
    assert driver.read(history.read, "none") == []
