"""Of the requests of the time of failed fetches: how many were answered, how many answers are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from run_driver import NOW_MS, RunDriver, new_run, requeue_row
from sqlalchemy import text

from runner.db.answers import unreadables
from runner.db.answers.missing_answers import answered_and_missing
from runner.db.answers.unreadables import UnreadableReply
from runner.db.moves import job_moves
from runner.rules.states import JobState

if TYPE_CHECKING:
    from runner.db.session import Database
    from runner.db.workers.leases import Lease


def lose(driver: RunDriver) -> Lease:
    """Bring the next job to the loss of its answer; it is held, so that the next one is another."""
    lease = driver.bring(JobState.COLLECTING)
    driver.apply(job_moves.lost, requeue_row(lease, JobState.HELD))
    return lease


def counted(driver: RunDriver, *failed: Lease) -> tuple[int, int]:
    with driver.database.read() as connection:
        return answered_and_missing(connection, failed)


def accept_at(driver: RunDriver, at_ms: int, *leases: Lease) -> None:
    for lease in leases:
        with driver.database.write() as connection:
            connection.execute(
                text("UPDATE attempts SET accepted_at_ms = :at WHERE job_id = :id"),
                {"at": at_ms, "id": lease.job_id},
            )


def test_answers_losses_and_unreadable_replies_are_counted(database: Database) -> None:
    """Requests that are still out count in neither."""
    driver = new_run(database, 8)
    first = lose(driver)
    for _ in range(2):
        driver.bring(JobState.SUCCEEDED)
    driver.bring(JobState.WAITING)
    unread = driver.bring(JobState.WAITING)
    reply = UnreadableReply(job_id=unread.job_id, attempt=1, received_at_ms=NOW_MS, body=b"<html>")
    with database.write() as connection:
        unreadables.record(connection, [reply])
    last = lose(driver)

    assert counted(driver, first, last) == (2, 3)
    assert counted(driver, first) == (0, 1)


def test_only_the_time_of_the_failed_ones_counts(database: Database) -> None:
    """A run that went well for a day says nothing about the last minutes."""
    driver = new_run(database, 8)
    first, good, last = lose(driver), driver.bring(JobState.SUCCEEDED), lose(driver)
    accept_at(driver, NOW_MS + 60_000, first, last)
    assert counted(driver, first, last) == (0, 2)

    accept_at(driver, NOW_MS + 60_000, good)
    assert counted(driver, first, last) == (1, 2)


def test_attempts_that_are_gone_count_as_missing(database: Database) -> None:
    """Where nothing is on record the breaker goes by its window alone."""
    driver = new_run(database, 2)
    lease = driver.bring(JobState.PENDING)
    assert counted(driver, lease) == (0, 1)
