"""An answer that comes after its attempt was given up, before another one is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from run_driver import COST, NOW_MS, new_run, received, requeue_row, settled

from runner.db.moves import job_moves, result_moves, user_moves
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from run_driver import RunDriver

    from runner.db.session import Database
    from runner.db.workers.leases import Lease

S = JobState
POSSIBLE_TICKS = 500


def give_up(driver: RunDriver, lease: Lease, event: Event, target: JobState) -> None:
    """End the attempt of a lease without an answer."""
    moves = {Event.LOST: job_moves.lost, Event.UNUSABLE: job_moves.unusable}
    driver.apply(moves[event], requeue_row(lease, target, possible_ticks=POSSIBLE_TICKS))


def counted(driver: RunDriver) -> dict[tuple[str, str], int]:
    """Return what is counted for attempts that were given up; nothing where that is 0."""
    kinds = ("extra", "unread")
    names = {("ticks", "possible_extra"), ("ticks", "probable_extra"), ("attempts", "abandoned")}
    counts = driver.counts()
    return {key: n for key, n in counts.items() if n and (key[0] in kinds or key in names)}


@pytest.mark.parametrize("event", [Event.LOST, Event.UNUSABLE])
@pytest.mark.parametrize("target", [S.PENDING, S.HELD])
def test_nothing_was_paid_twice(database: Database, event: Event, target: JobState) -> None:
    """The extra and its possible cost are taken back: the real cost is known."""
    driver = new_run(database, 1)
    lease = driver.bring(S.COLLECTING)
    give_up(driver, lease, event, target)
    assert counted(driver)["extra", event] == 1
    assert counted(driver)["ticks", "possible_extra"] == POSSIBLE_TICKS

    answer = received(lease.job_id, 1)
    end = settled(lease.job_id, 1, Event.SUCCEEDED, S.SUCCEEDED, replace(COST, ticks=7))
    assert driver.apply(result_moves.stored_and_settled, (answer, end)) == {(lease.job_id, 1)}

    assert counted(driver) == {}
    assert driver.row(lease.job_id).extras == 0
    (attempt,) = driver.history(lease.job_id)
    assert (attempt.outcome, attempt.ticks, attempt.possible_ticks) == ("succeeded", 7, None)


def test_an_answer_of_a_cancelled_job(database: Database) -> None:
    """It was abandoned, and a fetch that was under way brought it all the same."""
    driver = new_run(database, 1)
    lease = driver.bring(S.WAITING)
    run = driver.run_id
    driver.in_transaction(lambda c, d: user_moves.abandon(c, run, NOW_MS, d, lambda _: None))
    assert counted(driver) == {("attempts", "abandoned"): 1}
    assert driver.count("unknown", "jobs") == 1

    assert driver.apply(result_moves.stored, received(lease.job_id, 1)) == {lease.job_id}

    assert counted(driver) == {}
    assert driver.count("unknown", "jobs") == 0
    assert driver.row(lease.job_id).extras == 0


def test_after_another_attempt_it_counts(database: Database) -> None:
    """The answer of the first attempt comes while a second is on its way: both were paid."""
    driver = new_run(database, 1)
    lease = driver.bring(S.COLLECTING)
    give_up(driver, lease, Event.LOST, S.PENDING)
    again = driver.bring(S.COLLECTING)
    give_up(driver, again, Event.LOST, S.PENDING)

    assert driver.apply(result_moves.stored, received(lease.job_id, 1)) == {lease.job_id}

    assert counted(driver)["extra", Event.LOST] == 2
    assert counted(driver)["ticks", "possible_extra"] == 2 * POSSIBLE_TICKS
    assert driver.row(lease.job_id).extras == 2


def test_a_job_that_was_never_sent_has_nothing_to_take_back(database: Database) -> None:
    """A result of a job that is pending with an accepted attempt before: its extras stay."""
    driver = new_run(database, 1)
    lease = driver.bring(S.STORED)
    driver.apply(result_moves.settled, settled(lease.job_id, 1, Event.UNUSABLE, S.PENDING))
    before = counted(driver)

    assert driver.apply(result_moves.stored, received(lease.job_id, 1)) == set()

    assert counted(driver) == before
    assert driver.row(lease.job_id).extras == 1
