"""Stored answers are checked again after the repair of their run was switched, and their jobs moved."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from actors import event_of
from labeled_run import INVALID, SCHEMA, answer, recipe_of
from run_driver import COST, NOW_MS, RunDriver, accepted, new_run, received, settled

from runner.db.counts import counters
from runner.db.jobs.job_selection import JobSelection
from runner.db.moves import job_moves, recheck_moves, result_moves, user_moves
from runner.db.moves.outcomes import LabelCheck
from runner.db.moves.recheck_moves import Rechecked
from runner.engine.collecting.recheck_answers import RecheckCounts, recheck_answers
from runner.rules.errors import UsageError
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from runner.db.session import Database

GOOD = json.dumps({"mood": "good", "mark": "x"})
PROSE, OTHER = f"Sure: {GOOD}", "no idea"
ON, OFF = (recipe_of(SCHEMA, ask={"repair": is_on, "reask": 2}) for is_on in (True, False))
ASKED = LabelCheck(is_first=True, ask_tokens=5, asks_max=2)
COUNTED = LabelCheck(labels=("mood=good",))
REPAIRED = COUNTED._replace(repair="prose")


def settle(driver: RunDriver, content: str, event: Event, target: JobState, label_check: LabelCheck) -> int:
    """Send the next job and settle its answer; return the job."""
    (lease,) = driver.lease()
    driver.send(lease)
    driver.apply(job_moves.accepted, accepted(lease))
    driver.apply(result_moves.stored, received(lease.job_id, lease.attempt, answer(content)))
    row = settled(lease.job_id, lease.attempt, event, target, COST, label_check)
    driver.apply(result_moves.settled, row if event is Event.SUCCEEDED else replace(row, cause=INVALID))
    return lease.job_id


def invalid(driver: RunDriver, *contents: str) -> int:
    """Let a job fail after these answers, each but the last asked again; return the job."""
    job = 0
    for content in contents[:-1]:
        job = settle(driver, content, Event.INVALID, JobState.PENDING, ASKED)
    return settle(driver, contents[-1], Event.INVALID, JobState.FAILED, ASKED) or job


def succeeded(driver: RunDriver, content: str, label_check: LabelCheck) -> int:
    return settle(driver, content, Event.SUCCEEDED, JobState.SUCCEEDED, label_check)


def check(driver: RunDriver, recipe: str, *, dry_run: bool = False) -> tuple[int, int, int]:
    """Check all answers by a recipe that becomes the run's; return how many were checked, fit now, do not."""
    if not dry_run:
        driver.in_transaction(lambda c, _: recheck_moves.set_recipe(c, driver.run_id, recipe))
    found = recheck_answers(driver.database, event_of(driver.run_id), driver.run_id, recipe, dry_run=dry_run)
    assert isinstance(found, RecheckCounts)
    return found.checked, found.valid, found.invalid


def columns(driver: RunDriver, job: int) -> tuple[Any, ...]:
    row = driver.row(job)
    return row.state, row.error_code, row.answered_by


def assert_counted(driver: RunDriver) -> None:
    """Compare the counters with the tables: states, codes, costs, finish reasons."""
    counts = driver.counts()
    assert {key: n for key, n in driver.recount().items() if counts.get(key) != n} == {}
    with driver.database.write() as connection:
        assert not counters.recount(connection, driver.run_id)


def test_an_answer_that_fits_now_ends_its_job_well(database: Database) -> None:
    """Its labels and its repair are counted, and no cost a second time."""
    driver = new_run(database, 2, recipe=OFF)
    job, hopeless = invalid(driver, PROSE), invalid(driver, OTHER)
    ticks = driver.count("ticks", "reported")

    assert check(driver, ON) == (2, 1, 0)

    assert columns(driver, job) == ("succeeded", None, 1)
    assert columns(driver, hopeless) == ("failed", "invalid", 1)
    (attempt,) = driver.history(job)
    assert (attempt.outcome, attempt.error_code, attempt.error_message) == ("succeeded", None, None)
    assert driver.count("label", "mood=good") == 1
    assert driver.count("repaired", "prose") == 1
    assert driver.count("code", "invalid") == 1
    assert driver.count("ticks", "reported") == ticks == 2 * (COST.ticks or 0)
    assert_counted(driver)


def test_the_newest_answer_that_fits_is_taken(database: Database) -> None:
    """Also one that was asked again after; those after it stay as they were, and are paid."""
    driver = new_run(database, 1, recipe=OFF)
    job = invalid(driver, PROSE, PROSE, OTHER)

    assert check(driver, ON) == (1, 1, 0)

    assert columns(driver, job) == ("succeeded", None, 2)
    assert [attempt.outcome for attempt in driver.history(job)] == ["invalid", "succeeded", "invalid"]
    assert driver.count("extra", "reask") == 2
    assert_counted(driver)


def test_without_repair_only_what_needed_it_is_invalid(database: Database) -> None:
    """What was counted of it is taken back."""
    driver = new_run(database, 2, recipe=ON)
    plain, job = succeeded(driver, GOOD, COUNTED), succeeded(driver, PROSE, REPAIRED)

    assert check(driver, OFF) == (2, 0, 1)

    assert columns(driver, plain) == ("succeeded", None, 1)
    assert columns(driver, job) == ("failed", "invalid", 1)
    (attempt,) = driver.history(job)
    assert (attempt.outcome, attempt.error_code) == ("invalid", "invalid")
    assert attempt.error_message == "there is other text around the JSON object"
    assert driver.count("label", "mood=good") == 1
    assert driver.count("repaired", "prose") == 0
    assert_counted(driver)


def test_there_and_back_is_as_before(database: Database) -> None:
    """Rows, attempts and counters."""
    driver = new_run(database, 2, recipe=ON)
    jobs = succeeded(driver, GOOD, COUNTED), succeeded(driver, PROSE, REPAIRED)
    before = [*map(columns, [driver] * 2, jobs)], driver.counts()

    check(driver, OFF)
    check(driver, ON)

    assert ([*map(columns, [driver] * 2, jobs)], driver.counts()) == before


def test_a_second_time_changes_nothing(database: Database) -> None:
    """So it can be killed at any moment, and called again."""
    driver = new_run(database, 3, recipe=OFF)
    invalid(driver, PROSE), invalid(driver, OTHER)
    check(driver, ON)
    counts = driver.counts()

    assert check(driver, ON) == (1, 0, 0)
    assert driver.counts() == counts


def test_a_dry_run_only_counts(database: Database) -> None:
    """Nothing is moved."""
    driver = new_run(database, 1, recipe=OFF)
    job, counts = invalid(driver, PROSE), driver.counts()

    assert check(driver, ON, dry_run=True) == (1, 1, 0)
    assert columns(driver, job) == ("failed", "invalid", 1)
    assert driver.counts() == counts


def test_every_page_is_checked(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after pages in which nothing changes."""
    monkeypatch.setattr(recheck_moves, "JOBS_PER_PAGE", 2)
    driver = new_run(database, 6, recipe=OFF)
    for content in (OTHER, OTHER, PROSE, OTHER, PROSE):
        invalid(driver, content)

    assert check(driver, ON) == (5, 2, 0)
    assert driver.count("state", "succeeded") == 2


def test_jobs_whose_answers_are_gone_hold_nothing_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page without any answer is not the last one."""
    monkeypatch.setattr(recheck_moves, "JOBS_PER_PAGE", 1)
    driver = new_run(database, 2, recipe=OFF)
    first, second = invalid(driver, PROSE), invalid(driver, PROSE)
    with database.write() as connection:
        connection.exec_driver_sql(f"DELETE FROM results WHERE job_id = {first}")

    assert check(driver, ON) == (1, 1, 0)
    assert driver.state(second) is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("now", "wanted", "said"),
    [(OFF, ON, "switched the repair of run 1 off"), (ON, OFF, "switched the repair of run 1 on")],
)
def test_nothing_is_moved_by_a_repair_that_was_switched_since(
    database: Database, now: str, wanted: str, said: str
) -> None:
    """Else two commands leave rows by the one rule and rows by the other, and the run names just one."""
    driver = new_run(database, 1, recipe=now)
    job = invalid(driver, PROSE) if now == OFF else succeeded(driver, PROSE, REPAIRED)
    before, counts = columns(driver, job), driver.counts()

    with pytest.raises(UsageError, match=said):
        recheck_answers(driver.database, event_of(driver.run_id), driver.run_id, wanted, dry_run=False)

    assert columns(driver, job) == before
    assert driver.counts() == counts


def test_a_switched_output_is_no_other_repair(database: Database) -> None:
    """The same command with other columns may come in between."""
    driver = new_run(database, 1, recipe=recipe_of(SCHEMA, ask={"repair": True}, out={"columns": ["cost"]}))
    job = invalid(driver, PROSE)

    assert (
        recheck_answers(driver.database, event_of(driver.run_id), driver.run_id, ON, dry_run=False).valid == 1
    )
    assert driver.state(job) is JobState.SUCCEEDED


def test_a_job_that_moved_meanwhile_stays(database: Database) -> None:
    """Another command may have sent it again since its answer was read."""
    driver = new_run(database, 1, recipe=OFF)
    job = invalid(driver, PROSE)
    row = Rechecked(job_id=job, attempt=1, finish_reason="stop", labels=("mood=good",), repair="prose")
    failed = JobSelection(states=frozenset({JobState.FAILED}))
    driver.in_transaction(lambda c, d: user_moves.retry(c, driver.run_id, failed, NOW_MS, d))

    assert driver.in_transaction(lambda c, d: recheck_moves.move(c, [row], d)) == set()
    assert driver.state(job) is JobState.PENDING
    assert driver.count("label", "mood=good") == 0


@pytest.mark.parametrize(("code", "attempt"), [("length", 1), ("invalid", 2)])
def test_a_job_of_another_code_or_answer_stays(database: Database, code: str, attempt: int) -> None:
    """A cut answer is none that labels can be in; an answer that came since was checked by itself."""
    driver = new_run(database, 1, recipe=ON)
    if code == "length":
        job = settle(driver, PROSE, Event.UNUSABLE, JobState.FAILED, ASKED)
        driver.change(job, "error_code = 'length'")
    else:
        job = succeeded(driver, PROSE, REPAIRED)
    error = None if code == "length" else "text around"
    row = Rechecked(job_id=job, attempt=attempt, finish_reason=None, labels=(), repair=None, error=error)

    assert driver.in_transaction(lambda c, d: recheck_moves.move(c, [row], d)) == set()
