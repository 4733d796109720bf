"""The oldest request in flight of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from run_driver import NOW_MS, new_run

from runner.db.jobs import job_history
from runner.rules.states import JobState

if TYPE_CHECKING:
    from runner.db.session import Database


@pytest.mark.parametrize("state", [JobState.WAITING, JobState.COLLECTING])
def test_the_oldest_request_in_flight_is_that_of_its_own_run(database: Database, state: JobState) -> None:
    """Requests of other runs do not count, nor those that have results."""
    driver, other = new_run(database, 3), new_run(database, 1, identity="other")
    ended, oldest, newest = (driver.bring(each) for each in (JobState.SUCCEEDED, state, JobState.WAITING))
    for lease, age_ms in ((ended, 900), (oldest, 500), (newest, 100)):
        driver.change(lease.job_id, f"accepted_at_ms = {NOW_MS - age_ms}")
    other.change(other.bring(JobState.WAITING).job_id, f"accepted_at_ms = {NOW_MS - 700}")

    with database.read() as connection:
        assert job_history.oldest_in_flight_ms(connection, driver.run_id) == NOW_MS - 500


def test_nothing_is_in_flight_where_nothing_was_sent(database: Database) -> None:
    """A run without a sent job has no oldest request."""
    driver = new_run(database, 2)
    with database.read() as connection:
        assert job_history.oldest_in_flight_ms(connection, driver.run_id) is None
