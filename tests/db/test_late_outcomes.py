"""What comes late: the outcome of an older attempt, of a cancelled job, of a run that is over or removed."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from actors import event_of
from run_driver import (
    COST,
    NOW_MS,
    accepted,
    new_run,
    received,
    requeue_row,
    settled,
    unread,
)
from sqlalchemy.exc import DBAPIError
from test_concurrent_costs import at_the_same_moment

from runner.db.connection.driver_errors import is_deadlock
from runner.db.counts import counters
from runner.db.jobs.job_selection import JobSelection
from runner.db.moves import job_moves, result_moves, user_moves
from runner.db.runs import removal, runs
from runner.db.workers import leases
from runner.engine.collecting.keep_answers import CollectedAnswer, store_and_settle
from runner.engine.runs import run_completion
from runner.rules.event_kinds import EventKind
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from run_driver import RunDriver
    from sqlalchemy import Connection

    from runner.db.counts.counters import Deltas
    from runner.db.session import Database
    from runner.db.workers.leases import Lease

S = JobState
POSSIBLE_TICKS = 90
PRICED = replace(COST, ticks=7)


def answer(lease: Lease, event: Event, target: JobState) -> CollectedAnswer:
    """Return a fetched answer and how a worker settled it, by what it knew of the job."""
    return CollectedAnswer(
        received=received(lease.job_id, lease.attempt),
        settled=settled(lease.job_id, lease.attempt, event, target, PRICED),
    )


def collecting(driver: RunDriver, job: int) -> Lease:
    """Send a job that is pending once more and claim it; return its lease."""
    (lease,) = [lease for lease in driver.lease() if lease.job_id == job]
    driver.send(lease)
    driver.apply(job_moves.accepted, accepted(lease))
    (claimed,) = driver.claim()
    return claimed.lease


def abandon(driver: RunDriver) -> None:
    """Do what `cancel --now` does."""
    run = driver.run_id
    driver.in_transaction(
        lambda c, d: user_moves.abandon(c, run, NOW_MS, d, lambda _: unread(POSSIBLE_TICKS))
    )


def retry(driver: RunDriver, *states: JobState) -> None:
    """Do what `retry` does."""
    chosen = JobSelection(states=frozenset(states))
    driver.in_transaction(lambda c, d: user_moves.retry(c, driver.run_id, chosen, NOW_MS, d))


def is_recounted(driver: RunDriver) -> bool:
    """Return whether the counters differed from the rows."""
    with driver.database.write() as connection:
        return counters.recount(connection, driver.run_id)


@pytest.mark.parametrize("target", [S.PENDING, S.FAILED])
def test_a_failed_generation_of_an_older_attempt_moves_nothing(database: Database, target: JobState) -> None:
    """The newer one is in flight, and its good answer ends the job."""
    driver = new_run(database, 1)
    old = driver.bring(S.COLLECTING)
    abandon(driver)
    retry(driver, S.CANCELLED)
    new = collecting(driver, old.job_id)

    assert driver.apply(job_moves.generation_failed, requeue_row(old, target)) == set()
    assert driver.apply(store_and_settle, answer(new, Event.SUCCEEDED, S.SUCCEEDED)) == {old.job_id}

    assert driver.state(old.job_id) is S.SUCCEEDED
    assert [row.outcome for row in driver.history(old.job_id)] == ["abandoned", "succeeded"]
    assert not is_recounted(driver)


@pytest.mark.parametrize("target", [S.PENDING, S.HELD])
@pytest.mark.parametrize("is_settled_later", [False, True])
def test_a_cancelled_job_is_never_sent_again(
    database: Database, target: JobState, *, is_settled_later: bool
) -> None:
    """Its open fetch brings an answer without use: the job fails, whenever that is settled."""
    driver = new_run(database, 1)
    lease = driver.bring(S.COLLECTING)
    abandon(driver)

    found = answer(lease, Event.UNUSABLE, target)
    if is_settled_later:
        assert driver.apply(result_moves.stored, found.received) == {lease.job_id}
        assert driver.apply(result_moves.settled, found.settled) == {lease.job_id}
    else:
        assert driver.apply(store_and_settle, found) == {lease.job_id}

    row = driver.row(lease.job_id)
    assert (row.state, row.extras, row.answered_by) == (S.FAILED, 0, 1)
    assert driver.count("extra", "unusable") == 0
    assert driver.count("code", "some-cause") == 1


def test_a_run_that_is_over_sends_nothing_again(database: Database) -> None:
    """A held job gets an answer without use after the run's end."""
    driver = new_run(database, 1)
    lease = driver.bring(S.COLLECTING)
    driver.apply(job_moves.lost, requeue_row(lease, S.HELD))
    run = driver.run_id
    assert driver.in_transaction(lambda c, d: run_completion.complete_if_done(c, run, NOW_MS, d))

    assert driver.apply(store_and_settle, answer(lease, Event.UNUSABLE, S.PENDING)) == {lease.job_id}

    assert driver.state(lease.job_id) is S.FAILED


def test_a_job_that_was_reclaimed_is_not_withheld_by_its_late_worker(database: Database) -> None:
    """Its recorded attempt has an unknown outcome, whose cost stays counted."""
    driver = new_run(database, 1)
    lease = driver.bring(S.SUBMITTING)
    driver.apply(job_moves.ambiguous, requeue_row(lease, S.PENDING, POSSIBLE_TICKS))

    assert driver.apply(job_moves.withheld_recorded, requeue_row(lease, S.HELD)) == set()

    (attempt,) = driver.history(lease.job_id)
    assert (attempt.outcome, attempt.possible_ticks) == ("ambiguous", POSSIBLE_TICKS)
    assert not is_recounted(driver)


@pytest.mark.parametrize("way", ["lost", "abandoned"])
def test_the_last_of_three_answers_takes_the_place_of_its_possible_cost(database: Database, way: str) -> None:
    """Attempt 1 is given up; while 2 is out its answer comes, without use; 3 ends the job; then 2 comes."""
    driver = new_run(database, 1)
    first = driver.bring(S.COLLECTING)
    if way == "lost":
        driver.apply(job_moves.lost, requeue_row(first, S.PENDING, POSSIBLE_TICKS))
    else:
        abandon(driver)
        retry(driver, S.CANCELLED)
    second = collecting(driver, first.job_id)
    driver.apply(store_and_settle, answer(first, Event.UNUSABLE, S.PENDING))
    third = collecting(driver, first.job_id)
    driver.apply(store_and_settle, answer(third, Event.SUCCEEDED, S.SUCCEEDED))

    driver.apply(store_and_settle, answer(second, Event.SUCCEEDED, S.SUCCEEDED))

    assert [row.ticks for row in driver.history(first.job_id)] == [7, 7, 7]
    money = ("possible_extra", "probable_extra", "reported")
    assert [driver.count("ticks", key) for key in money] == [0, 0, 21]
    assert driver.count("unknown", "jobs") == driver.count("unread", "answers") == 0


def test_an_answer_that_meets_a_claim_moves_its_job(postgres_database: Database) -> None:
    """The job goes from waiting to collecting between two statements: else it would match neither."""
    driver = new_run(postgres_database, 1)
    old = driver.bring(S.COLLECTING)
    abandon(driver)
    retry(driver, S.CANCELLED)
    (lease,) = driver.lease()
    driver.send(lease)
    driver.apply(job_moves.accepted, accepted(lease))
    moved: list[set[int]] = []

    def claim(connection: Connection, deltas: Deltas) -> None:
        leases.claim_waiting(
            connection, worker=9, now_ms=NOW_MS, until_ms=NOW_MS + 1, rows_max=1, deltas=deltas
        )

    def keep(connection: Connection, deltas: Deltas) -> None:
        moved.append(store_and_settle(connection, [answer(old, Event.SUCCEEDED, S.SUCCEEDED)], deltas))

    at_the_same_moment(driver, claim, keep)

    assert moved == [{old.job_id}]
    assert driver.state(old.job_id) is S.SUCCEEDED
    assert driver.count("ticks", "reported") == 7


def test_an_answer_of_a_removed_run_is_not_kept(database: Database) -> None:
    """Its fetch was open when the run was removed."""
    driver = new_run(database, 1)
    lease = driver.bring(S.COLLECTING)
    abandon(driver)
    removal.remove(database, driver.run_id)

    assert driver.apply(store_and_settle, answer(lease, Event.SUCCEEDED, S.SUCCEEDED)) == set()
    assert driver.apply(result_moves.stored, received(lease.job_id, 2)) == set()

    assert driver.rows("SELECT * FROM results") == []


def test_a_cancel_and_the_answers_of_a_worker_wait_for_each_other_and_go_on(
    postgres_database: Database,
) -> None:
    """They lock the same jobs in another order; PostgreSQL ends one of the two, and it is repeated."""
    driver = new_run(postgres_database, 200)
    run, chance = driver.run_id, random.Random(7)
    driver.send(*driver.lease(200))
    driver.apply(job_moves.accepted, *(accepted(lease) for lease in _leases(driver)))
    out = [claimed.lease for claimed in driver.claim(200)]
    chance.shuffle(out)
    start, cancelled = threading.Barrier(2), list[int]()

    def cancel() -> None:
        start.wait(120)
        user_moves.move_in_chunks(
            postgres_database,
            user_moves.JobsEvent(event=event_of(run), kind=EventKind.JOBS_CANCELLED, at_ms=NOW_MS),
            lambda c, d: user_moves.abandon(c, run, NOW_MS, d, lambda _: unread(1), rows_max=50),
        )
        cancelled.append(1)

    user = threading.Thread(target=cancel)
    user.start()
    start.wait(120)
    for lease in out[:100]:  # later ids hold up the user's, who goes by id
        store_answer(driver, lease)
    user.join(120)

    assert cancelled == [1]
    states = Counter(row.state for row in driver.rows("SELECT state FROM jobs"))
    assert set(states) <= {"succeeded", "cancelled"}
    assert states["succeeded"] == 100
    assert not is_recounted(driver)


def store_answer(driver: RunDriver, lease: Lease) -> None:
    """Store an answer as a worker does: again, where PostgreSQL ended its transaction and not the user's."""
    while True:
        try:
            with driver.database.write() as connection:
                runs.find(connection, driver.run_id)
                deltas = counters.Deltas(driver.worker)
                store_and_settle(connection, [answer(lease, Event.SUCCEEDED, S.SUCCEEDED)], deltas)
                deltas.write(connection)
        except DBAPIError as error:
            if not is_deadlock(error):
                raise
        else:
            return


def _leases(driver: RunDriver) -> list[Lease]:
    from runner.db.workers.leases import Lease

    rows = driver.rows("SELECT id, lease_gen, attempt FROM jobs ORDER BY id")
    return [Lease(job_id=row.id, gen=row.lease_gen, attempt=row.attempt) for row in rows]
