"""The orphaned jobs of dead or frozen workers are found, and no others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from run_driver import LEASE_MS, NOW_MS, RunDriver, accepted, new_run, requeue_row

from runner.db.moves import job_moves
from runner.db.workers import orphans, recent_sends, workers
from runner.rules.states import JobState

if TYPE_CHECKING:
    from runner.db.session import Database


def test_the_jobs_of_a_dead_worker_are_found(database: Database) -> None:
    """Those that it was sending or collecting: no others, no waiting or ended ones."""
    driver = new_run(database, 2 * len(JobState))
    other = RunDriver(database, driver.run_id, worker=8)
    mine = {state: driver.bring(state) for state in JobState if state is not JobState.PENDING}
    for state in (JobState.SUBMITTING, JobState.COLLECTING):
        other.bring(state)

    with database.read() as connection:
        found = orphans.of_worker(connection, driver.worker)

    assert {(job.state, job.lease) for job in found} == {
        (state, mine[state]) for state in (JobState.SUBMITTING, JobState.COLLECTING)
    }
    assert {(job.model, job.prompt_tokens, job.output_tokens_max) for job in found} == {("grok-4.3", 10, 100)}


def test_expired_leases_come_oldest_first_and_bounded(database: Database) -> None:
    """Only jobs being sent or collected whose leases have expired."""
    driver = new_run(database, 4)
    leased = driver.lease(3)
    for number, lease in enumerate(leased):
        driver.send(lease, now_ms=NOW_MS + 2 - number)

    with database.read() as connection:
        assert (
            orphans.expired_of_dead_workers(connection, NOW_MS + LEASE_MS - 1, 10, alive_since_ms=NOW_MS)
            == []
        )
        found = orphans.expired_of_dead_workers(connection, NOW_MS + LEASE_MS + 1, 10, alive_since_ms=NOW_MS)
        first = orphans.expired_of_dead_workers(connection, NOW_MS + LEASE_MS * 2, 1, alive_since_ms=NOW_MS)

    assert [job.lease for job in found] == [leased[2], leased[1]]
    assert [job.lease for job in first] == [leased[2]]


def test_unsettled_answers_come_with_their_bytes(database: Database) -> None:
    """Stored and not settled, with what settling needs; tries are counted for those only."""
    driver = new_run(database, 3)
    stored = driver.bring(JobState.STORED)
    ended = driver.bring(JobState.SUCCEEDED)
    with database.write() as connection:
        for lease in (stored, ended):
            orphans.count_settle_try(connection, lease.job_id)
        (found,) = orphans.unsettled_results(connection, 10)
        assert orphans.unsettled_results(connection, 0) == []

    assert (found.id, found.attempt, bytes(found.body)) == (stored.job_id, 1, b"{}")
    assert (found.settle_tries, found.accepted_at_ms) == (1, NOW_MS + 1)
    assert driver.row(ended.job_id).settle_tries == 0


def test_pending_jobs_of_an_ended_worker_are_free_again(database: Database) -> None:
    """Those that it had leased and not sent; the leases of other workers stay."""
    driver = new_run(database, 3)
    other = RunDriver(database, driver.run_id, worker=8)
    (mine,) = driver.lease()
    (theirs,) = other.lease()
    with database.write() as connection:
        orphans.release_pending(connection, driver.worker)

    assert driver.row(mine.job_id).lease_owner is None
    assert driver.row(theirs.job_id).lease_owner == 8


def test_workers_are_registered_until_their_end_is_recorded(database: Database) -> None:
    """A worker is alive by its last heartbeat; its end is recorded once, by itself or by recovery."""
    with database.write() as connection:
        first, second, far = (
            workers.register(connection, host=host, node="w", pid=1, now_ms=NOW_MS)
            for host in ("a", "a", "b")
        )
        workers.record_heartbeat(connection, second, NOW_MS + 10)

        assert workers.without_end(connection, "a") == [first, second]
        assert [row.id for row in workers.alive(connection, NOW_MS + 1)] == [second]
        workers.record_end(connection, second, NOW_MS + 20)
        workers.record_end(connection, second, NOW_MS + 30)
        assert workers.without_end(connection, "a") == [first]
        assert [row.id for row in workers.alive(connection, NOW_MS)] == [first, far]


def test_the_sends_of_the_last_minute_are_read(database: Database) -> None:
    """The age of an attempt counts from its reply; without a reply it is 0. What was not sent is left out."""
    driver = new_run(database, 6)
    for move, target in ((job_moves.withheld, JobState.HELD), (job_moves.not_sent, JobState.PENDING)):
        (lease,) = driver.lease()
        driver.send(lease)
        driver.apply(move, requeue_row(lease, target))
    for age_ms, reply_age_ms in ((70_000, 61_000), (65_000, 5_000), (50_000, None), (200_000, None)):
        (lease,) = driver.lease()
        driver.send(lease, now_ms=NOW_MS - age_ms)
        if reply_age_ms is not None:
            at_ms = NOW_MS - reply_age_ms
            driver.apply(job_moves.accepted, replace(accepted(lease), accepted_at_ms=at_ms))

    found = [(one.model, one.age_us, one.tokens) for one in recent_sends.read(database, NOW_MS)]
    assert sorted(found) == [
        ("grok-4.3", 0, 110),
        ("grok-4.3", 5_000_000, 110),
    ]
