"""Leases and claims: in order, bounded, one holder for each job, also with concurrent callers."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from run_driver import LEASE_MS, NOW_MS, accepted, first_job, new_job, new_run, requeue_row

from runner.db.intake import new_jobs
from runner.db.jobs.job_ids import job_id
from runner.db.moves import job_moves
from runner.db.runs import runs
from runner.db.runs.run_row import RunOptions
from runner.db.workers import leases
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.db.session import Database
    from runner.db.workers.leases import LeasedJob


def ids(found: list[LeasedJob]) -> list[str]:
    """Return the ids of the jobs in their file, which `new_job` counts from 1."""
    return [f"r-{job.lease.job_id - job_id(job.lease.run_id, 0) + 1}" for job in found]


def test_pending_jobs_come_in_file_order_and_once(database: Database) -> None:
    """The next call returns the next jobs, and none of other runs."""
    driver = new_run(database, 5)
    other = new_run(database, 2, identity="other")

    assert ids(driver.leased(rows_max=3)) == ["r-1", "r-2", "r-3"]
    assert ids(driver.leased(rows_max=3)) == ["r-4", "r-5"]
    assert ids(driver.leased(rows_max=3)) == []
    assert len(other.leased()) == 2


def test_a_lease_that_ran_out_is_free_again(database: Database) -> None:
    """A holder that never sent loses its jobs with its lease; the generation fences it off."""
    driver = new_run(database, 1)
    (before,) = driver.leased()

    assert driver.leased(now_ms=NOW_MS + LEASE_MS - 1) == []
    (after,) = driver.leased(now_ms=NOW_MS + LEASE_MS)

    assert after.lease.gen == before.lease.gen + 1
    assert driver.send(before.lease) == set()


def test_jobs_that_are_not_due_wait(database: Database) -> None:
    """A backoff delays one job, not those behind it."""
    driver = new_run(database, 2)
    driver.change(first_job(driver), f"due_at_ms = {NOW_MS + 1}")

    assert ids(driver.leased()) == ["r-2"]
    assert ids(driver.leased(now_ms=NOW_MS + 1)) == ["r-1"]


def test_only_the_first_so_many_jobs_of_the_file_are_taken(database: Database) -> None:
    """`--limit N`: the Nth is the last."""
    driver = new_run(database, 5)

    assert ids(driver.leased(ordinals_max=2)) == ["r-1", "r-2"]
    assert ids(driver.leased(ordinals_max=2)) == []
    assert driver.leased(ordinals_max=0) == []


def test_jobs_without_extras_can_be_leased_alone(database: Database) -> None:
    """A probe may be lost, so it should not be a job that was lost before."""
    driver = new_run(database, 3)
    (lease,) = driver.lease()
    driver.send(lease)
    driver.apply(job_moves.ambiguous, requeue_row(lease, JobState.PENDING))

    assert ids(driver.leased(without_extras=True)) == ["r-2", "r-3"]
    assert ids(driver.leased()) == ["r-1"]


def test_a_chunk_is_bounded_by_bytes_but_never_empty(database: Database) -> None:
    """Large bodies are leased few at a time; one that is larger than the bound is leased alone."""
    with database.write() as connection:
        run_id = runs.begin(
            connection,
            identity="big",
            name="big",
            input_path="/big",
            input_sha256="",
            options=RunOptions(),
            now_ms=0,
        )
        bodies = [b"x" * size for size in (40, 40, 40, 500, 10)]
        new_jobs.insert(connection, run_id, 0, [new_job(n, body) for n, body in enumerate(bodies, 1)])
    driver = new_run(database, 1, identity="any")
    big = type(driver)(database, run_id)

    chunks = [ids(big.leased(bytes_max=100)) for _ in range(5)]

    assert chunks == [["r-1", "r-2"], ["r-3"], ["r-4"], ["r-5"], []]


def test_released_jobs_are_free_at_once_and_sent_ones_stay(database: Database) -> None:
    """A job that was not sent is pending without a lease; the release of a sent one has no effect."""
    driver = new_run(database, 2)
    first, second = driver.lease(2)
    driver.send(first)

    with database.write() as connection:
        leases.release(connection, [first, second])

    assert ids(driver.leased()) == ["r-2"]
    assert driver.row(first.job_id).lease_owner == driver.worker


def test_waiting_jobs_are_claimed_longest_due_first(database: Database) -> None:
    """Only those that are due, at most as many as requested; a claim counts as a poll."""
    driver = new_run(database, 4)
    leased = driver.lease(4)
    driver.send(*leased)
    for lease, due in zip(leased, (30, 10, 20, 99), strict=True):
        driver.apply(job_moves.accepted, accepted(lease, due_at_ms=NOW_MS + due))

    with database.read() as connection:
        assert leases.next_due_ms(connection) == NOW_MS + 10
    first = driver.claim(2, now_ms=NOW_MS + 50)
    rest = driver.claim(9, now_ms=NOW_MS + 50)

    assert [job.lease.job_id for job in first] == [leased[1].job_id, leased[2].job_id]
    assert [job.lease.job_id for job in rest] == [leased[0].job_id]
    assert [job.polls for job in first] == [1, 1]
    assert driver.count("attempts", "polls") == 3
    assert driver.count("state", "collecting") == 3
    with database.read() as connection:
        assert leases.next_due_ms(connection) == NOW_MS + 99


def test_the_oldest_requests_can_be_claimed_alone(database: Database) -> None:
    """Those near their 24 h limit, though others have been due for longer."""
    driver = new_run(database, 3)
    for age_ms in (1_000, 80_000_000, 75_000_000):
        (leased,) = driver.lease()
        driver.send(leased)
        driver.apply(job_moves.accepted, replace(accepted(leased), accepted_at_ms=NOW_MS - age_ms))
    driver.change(first_job(driver), f"due_at_ms = {NOW_MS - 9_000}")

    def claim(before_ms: int | None) -> list[leases.ClaimedJob]:
        found: list[leases.ClaimedJob] = driver.in_transaction(
            lambda connection, deltas: leases.claim_waiting(
                connection,
                worker=driver.worker,
                now_ms=NOW_MS,
                until_ms=NOW_MS + LEASE_MS,
                rows_max=9,
                deltas=deltas,
                accepted_before_ms=before_ms,
            )
        )
        return found

    assert len(claim(NOW_MS - 72_000_000)) == 2
    assert [job.accepted_at_ms for job in claim(None)] == [NOW_MS - 1_000]


def test_a_claim_knows_the_slot_of_its_attempt(database: Database) -> None:
    """The worker that fetches the result needs it; an attempt without a slot has None."""
    driver = new_run(database, 2)
    with_slot, without = driver.lease(2)
    driver.in_transaction(
        lambda connection, deltas: job_moves.send(
            connection,
            [with_slot, without],
            worker=driver.worker,
            now_ms=NOW_MS,
            until_ms=NOW_MS + LEASE_MS,
            deltas=deltas,
            slots={with_slot.job_id: "p-1:1:90", without.job_id: ""},
        )
    )
    driver.apply(job_moves.accepted, accepted(with_slot), accepted(without))

    assert sorted(job.slot or "" for job in driver.claim(2)) == ["", "p-1:1:90"]


def test_without_a_waiting_job_nothing_is_due(database: Database) -> None:
    """`next_due_ms` returns None."""
    with database.read() as connection:
        assert leases.next_due_ms(connection) is None


def _in_threads(count: int, work: list[list[int]], claim: Callable[[], list[int]]) -> None:
    start = threading.Barrier(count)

    def run() -> None:
        start.wait()
        mine: list[int] = []
        while found := claim():
            mine += found
        work.append(mine)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_claimers_at_the_same_time_never_get_the_same_job(database: Database) -> None:
    """Four threads lease, then claim, all jobs: each job has one holder."""
    driver = new_run(database, 300)
    leased: list[list[int]] = []
    _in_threads(4, leased, lambda: [job.lease.job_id for job in driver.leased(rows_max=7)])
    assert sorted(itertools.chain(*leased)) == [first_job(driver) + n for n in range(300)]

    with database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE jobs SET state = 'waiting', request_id = 'x', accepted_at_ms = 1, lease_owner = NULL"
        )
    claimed: list[list[int]] = []
    _in_threads(4, claimed, lambda: [job.lease.job_id for job in driver.claim(7)])

    assert sorted(itertools.chain(*claimed)) == [first_job(driver) + n for n in range(300)]
    assert driver.rows("SELECT DISTINCT state FROM jobs") == [(JobState.COLLECTING,)]
    assert driver.count("state", "collecting") == 300
