"""Which runs of nights keep their answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from night_driver import NightDriver, suite_of

from runner.db.evaluation import night_runs, nights
from runner.rules.evaluation.gate.pool import POOL_MOST
from runner.rules.evaluation.kept_answers import Kept, reason_to_keep

if TYPE_CHECKING:
    from runner.db.session import Database


@pytest.mark.parametrize(
    ("is_open", "is_pinned", "is_accepted", "since", "kept"),
    [
        (True, False, False, POOL_MOST, Kept.OPEN),
        (False, True, False, POOL_MOST, Kept.PINNED),
        (False, False, True, POOL_MOST - 1, Kept.POOL),
        (False, False, True, POOL_MOST, None),
        (False, False, False, 0, None),
    ],
)
def test_answers_are_kept_that_may_be_graded_again(
    is_open: bool, is_pinned: bool, is_accepted: bool, since: int, kept: Kept | None
) -> None:
    """Those of open and pinned nights, and of the accepted ones that the next night is compared with."""
    found = reason_to_keep(
        is_open=is_open, is_pinned=is_pinned, is_accepted=is_accepted, accepted_since=since
    )

    assert found is kept


def test_the_pool_is_counted_by_suite(database: Database) -> None:
    """Both runs of a night, and nights whose run was removed, count as one night."""
    driver = NightDriver(database)
    other = NightDriver(database, replace(suite_of("correct"), name="others"))
    for n in range(POOL_MOST + 1):
        night = driver.begin(f"n{n:02}")
        driver.measure(night, {}, run_id=100 + n)
        driver.measure(night, {}, number=2, run_id=200 + n)
        driver.end(night)
        alone = other.begin(f"n{n:02}")
        driver.end(alone)
    last = other.begin("last")
    driver.measure(last, {}, run_id=300)
    driver.end(last)
    driver.write(nights.accept, last.id, False)

    found = driver.read(night_runs.read)

    kept = {run for run, night in found.items() if night.kept is Kept.POOL}
    assert kept == {*range(101, 101 + POOL_MOST), *range(201, 201 + POOL_MOST)}
    assert {run for run, night in found.items() if night.kept is None} == {100, 200, 300}
    assert found[100].night == "answers@n00"
