"""Pages of ended jobs: every job once, in order, and few large results at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from run_driver import RunDriver, new_run

from runner.db.jobs import ended_jobs
from runner.db.jobs.job_ids import job_id
from runner.output.output_line import EndedJob
from runner.rules.states import JobState

if TYPE_CHECKING:
    from runner.db.session import Database

ALL = (JobState.SUCCEEDED, JobState.FAILED, JobState.HELD, JobState.WAITING, JobState.SUCCEEDED) * 5


@pytest.fixture
def driver(database: Database) -> RunDriver:
    """Load a run with jobs in several states."""
    driver = new_run(database, len(ALL))
    for state in ALL:
        driver.bring(state)
    return driver


def read(driver: RunDriver, page: int) -> list[list[EndedJob]]:
    bounds = job_id(driver.run_id, 0), job_id(driver.run_id + 1, 0) - 1
    with driver.database.read() as connection:
        return [
            [EndedJob._make(row) for row in rows] for rows in ended_jobs.pages(connection, *bounds, page=page)
        ]


@pytest.mark.parametrize("page", [1, 2, 7, 1000])
def test_every_ended_job_comes_once_and_in_order_whatever_the_pages(driver: RunDriver, page: int) -> None:
    """A page may be empty, between others or at an end; jobs in flight are left out."""
    found = [row for rows in read(driver, page) for row in rows]

    assert [row.custom_id for row in found] == [
        f"r-{number}" for number, state in enumerate(ALL, 1) if state is not JobState.WAITING
    ]
    assert all(row.http_status == 200 for row in found if row.state == JobState.SUCCEEDED)


def test_pages_of_large_answers_are_short(driver: RunDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes of a page have a bound; only a single result may be above it."""
    monkeypatch.setattr(ended_jobs, "_PAGE_FIRST", 1)
    answers = driver.rows("SELECT body FROM results")
    monkeypatch.setattr(ended_jobs, "PAGE_BYTES", 2 * max(len(row.body) for row in answers))

    pages = read(driver, 1000)

    assert sum(row.body is not None for rows in pages for row in rows) == len(answers)
    assert max(sum(row.body is not None for row in rows) for rows in pages) <= 4


def test_reading_may_stop_half_way(driver: RunDriver) -> None:
    """The connection can be used for other queries then."""
    with driver.database.read() as connection:
        bounds = job_id(driver.run_id, 0), job_id(driver.run_id + 1, 0) - 1
        pages = ended_jobs.pages(connection, *bounds, page=1)
        next(pages)
        del pages
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM jobs").scalar_one() == len(ALL)
