"""The jobs of a run with all their results, as grading reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from night_driver import add_result
from run_driver import NOW_MS, first_job, new_run

from runner.db.evaluation import job_results
from runner.db.jobs.job_ids import job_id

if TYPE_CHECKING:
    from runner.db.evaluation.job_results import JobResults
    from runner.db.session import Database


def read(database: Database, run_id: int, page: int) -> list[list[JobResults]]:
    with database.read() as connection:
        bounds = job_id(run_id, 0), job_id(run_id + 1, 0) - 1
        return [list(found) for found in job_results.pages(connection, *bounds, page)]


@pytest.mark.parametrize("page", [1, 2, 100])
def test_every_job_comes_once_with_its_results_in_order(database: Database, page: int) -> None:
    """In any state, those without a result too; a run beside it does not show."""
    driver = new_run(database, 3)
    other = new_run(database, 1)
    first = first_job(driver)
    add_result(database, first + 1, 2, b"later")
    add_result(database, first + 1, 1, b"first", ticks=None)
    add_result(database, first_job(other), 1, b"other")

    pages = read(database, driver.run_id, page)

    found = [job for jobs in pages for job in jobs]
    assert all(len(jobs) <= page for jobs in pages)
    assert [job.job_id for job in found] == [first, first + 1, first + 2]
    assert [job.custom_id for job in found] == ["r-1", "r-2", "r-3"]
    assert [len(job.results) for job in found] == [0, 2, 0]
    one, two = found[1].results
    assert (one.attempt, one.body, one.ticks) == (1, b"first", None)
    assert (two.attempt, two.body, two.ticks) == (2, b"later", 7)
    assert (two.received_at_ms, two.accepted_at_ms, two.sha256) == (NOW_MS + 2, NOW_MS, f"{2:064}")


def test_a_run_without_jobs_has_no_pages(database: Database) -> None:
    """Also one that was removed."""
    assert [job for jobs in read(database, 99, 10) for job in jobs] == []
