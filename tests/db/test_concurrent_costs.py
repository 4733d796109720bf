"""Two workers change what attempts may have cost at the same moment: each tick is counted once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
from live_runner import wait_until
from run_driver import (
    CAUSE,
    COST,
    NOW_MS,
    RunDriver,
    accepted,
    new_run,
    received,
    requeue_row,
    settled,
)
from servers import has_waiting_statement
from sqlalchemy import Connection, event

from runner.db.counts import counters, result_costs
from runner.db.counts.counters import Deltas
from runner.db.jobs.job_selection import JobSelection
from runner.db.moves import job_moves, result_moves, user_moves
from runner.db.runs import run_end, run_moves
from runner.rules.costs.uncertain_cost import UncertainCost
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from runner.db.session import Database

S = JobState
UNCERTAIN: Final = UncertainCost(300, 900)
HIDDEN: Final = UncertainCost(200, 0)  # behind a 503
LEARNT: Final = UncertainCost(40, 50, is_learnt=True)
COSTLESS: Final = replace(COST, ticks=None, ticks_source="possible", uncertain=UncertainCost(7, 70))
Work = Callable[[Connection, Deltas], object]


def lost_and_answered(database: Database) -> RunDriver:
    """Return a run of four jobs that all have an attempt without a result.

    Jobs 0 and 1 were answered by another attempt since; job 2 is to be sent again; job 3 met a 503.
    """
    driver = new_run(database, 4)
    leases = driver.lease(4)
    driver.send(*leases)
    lost, refused = leases[:3], leases[3]
    driver.apply(job_moves.accepted, *(accepted(lease) for lease in leases[:2]))
    for job in driver.claim(2):
        driver.apply(job_moves.lost, replace(requeue_row(job.lease, S.HELD), uncertain=UNCERTAIN))
    driver.apply(job_moves.ambiguous, replace(requeue_row(lost[2], S.PENDING), uncertain=UNCERTAIN))
    row = replace(requeue_row(refused, S.PENDING), uncertain=HIDDEN, cause=replace(CAUSE, http_status=503))
    driver.apply(job_moves.refused_for_now, row)
    held = JobSelection(states=frozenset({S.HELD}))
    driver.in_transaction(lambda c, d: user_moves.retry(c, driver.run_id, held, NOW_MS, d))
    again = [lease for lease in driver.lease(4) if lease.job_id in {lost[0].job_id, lost[1].job_id}]
    driver.send(*again)
    driver.apply(job_moves.accepted, *(accepted(lease) for lease in again))
    for lease in again:
        driver.apply(result_moves.stored, received(lease.job_id, lease.attempt))
        driver.apply(result_moves.settled, settled(lease.job_id, lease.attempt, Event.SUCCEEDED, S.SUCCEEDED))
    return driver


def restate(driver: RunDriver) -> Work:
    """Return work that restates the run's costs by what it learnt."""
    return lambda c, d: result_costs.restate_uncertain_costs(c, driver.run_id, lambda _: LEARNT, d)


def count_late(driver: RunDriver) -> Work:
    """Return work that counts the late result of the first attempts of jobs 0 and 1."""
    jobs = [row.id for row in driver.rows("SELECT id FROM jobs WHERE state = 'succeeded' ORDER BY id")]
    rows = [settled(job, 1, Event.SUCCEEDED, S.SUCCEEDED, replace(COST, ticks=5)) for job in jobs]
    return lambda c, d: result_costs.count_late_results(c, rows, d)


def settle_without_usage(driver: RunDriver) -> Work:
    """Return work that stores and settles the late result of job 2, which is still to be sent again."""
    (job,) = (row.job_id for row in driver.rows("SELECT job_id FROM attempts WHERE outcome = 'ambiguous'"))
    row = settled(job, 1, Event.SUCCEEDED, S.SUCCEEDED, COSTLESS)
    return lambda c, d: result_moves.stored_and_settled(c, [(received(job, 1), row)], d)


def at_the_same_moment(driver: RunDriver, first: Work, second: Work) -> None:
    """Do both in transactions of two workers; the second begins while the first is not committed yet."""
    database = driver.database
    other = threading.Thread(target=replace(driver, worker=driver.worker + 1).in_transaction, args=(second,))
    with database.write() as connection:
        deltas = Deltas(driver.worker)
        first(connection, deltas)
        deltas.write(connection)
        other.start()
        if not database.is_sqlite:  # there the other one waits for the whole database
            wait_until(
                lambda: has_waiting_statement(database) or not other.is_alive(), "the other one has begun"
            )
    other.join(120)
    assert not other.is_alive()


def check(driver: RunDriver) -> None:
    """Compare the counters of both numbers, and of what they stand for, with the attempts."""
    (row,) = driver.rows(
        "SELECT COALESCE(SUM(probable_ticks), 0) AS probable, COALESCE(SUM(possible_ticks), 0) AS possible,"
        " COUNT(CASE WHEN possible_ticks > 0 THEN 1 END) AS answers,"
        " SUM(CASE WHEN outcome = 'refused_for_now' THEN probable_ticks END) AS hidden,"
        " COALESCE(SUM(ticks), 0) AS reported FROM attempts WHERE job_id >> 32 = :run",
        run=driver.run_id,
    )
    counted = {
        "probable": driver.count("ticks", "probable_extra"),
        "possible": driver.count("ticks", "possible_extra"),
        "answers": driver.count("unread", "answers"),
        "hidden": driver.count("ticks", "probable_unavailable"),
        "reported": driver.count("ticks", "reported"),
    }
    assert counted == dict(row._mapping)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (restate, restate),
        (restate, count_late),
        (count_late, restate),
        (count_late, count_late),
        (settle_without_usage, restate),
        (restate, settle_without_usage),
    ],
    ids=lambda work: work.__name__,
)
def test_two_workers_count_each_cost_once(
    database: Database, first: Callable[[RunDriver], Work], second: Callable[[RunDriver], Work]
) -> None:
    """Whatever is first: the counters are the sums over the attempts."""
    driver = lost_and_answered(database)
    check(driver)

    at_the_same_moment(driver, first(driver), second(driver))

    check(driver)
    with database.write() as connection:
        assert counters.recount(connection, driver.run_id) is False


def test_a_late_result_that_comes_twice_in_one_commit_counts_once(database: Database) -> None:
    """As from a worker and from the spool of a dead one."""
    driver = lost_and_answered(database)
    (job, _) = (row.id for row in driver.rows("SELECT id FROM jobs WHERE state = 'succeeded' ORDER BY id"))
    late = settled(job, 1, Event.SUCCEEDED, S.SUCCEEDED, replace(COST, ticks=5))

    driver.in_transaction(lambda c, d: result_costs.count_late_results(c, [late, late], d))

    check(driver)


def test_a_recount_mends_nothing_that_has_not_drifted(postgres_database: Database) -> None:
    """A late result is counted after its first statement: attempts and counters are of one moment."""
    driver = lost_and_answered(postgres_database)
    late = [count_late(driver)]

    def count_one(*_: object) -> None:
        if late:
            driver.in_transaction(late.pop())

    with postgres_database.write() as connection:
        event.listen(connection, "after_cursor_execute", count_one)
        assert counters.recount(connection, driver.run_id) is False

    assert not late
    check(driver)


@pytest.mark.parametrize("retried_first", [True, False])
def test_a_run_does_not_end_while_its_jobs_are_retried(database: Database, retried_first: bool) -> None:
    """Else it would be finished, with a pending job that nobody sends."""
    driver = new_run(database, 2)
    driver.bring(S.FAILED)
    driver.bring(S.SUCCEEDED)
    failed = JobSelection(states=frozenset({S.FAILED}))

    def retry(connection: Connection, deltas: Deltas) -> None:
        assert user_moves.retry(connection, driver.run_id, failed, NOW_MS, deltas).moved == 1
        run_moves.reopen(connection, driver.run_id, NOW_MS)

    def finish(connection: Connection, _deltas: Deltas) -> None:
        run_end.finish_if_done(connection, driver.run_id, NOW_MS)

    at_the_same_moment(driver, *((retry, finish) if retried_first else (finish, retry)))

    assert driver.count("state", "pending") == 1
    (run,) = driver.rows("SELECT state FROM runs")
    assert run.state in ("ready", "running")


def test_two_workers_that_see_the_end_finish_the_run_once(database: Database) -> None:
    """One of them records it."""
    driver = new_run(database, 1)
    driver.bring(S.SUCCEEDED)
    finished = []

    def finish(connection: Connection, _deltas: Deltas) -> None:
        finished.append(run_end.finish_if_done(connection, driver.run_id, NOW_MS))

    at_the_same_moment(driver, finish, finish)

    assert sorted(finished) == [False, True]
    assert len(driver.rows("SELECT id FROM run_events WHERE kind = 'finished'")) == 1
