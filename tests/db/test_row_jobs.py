"""The jobs of some rows, and examples of held ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from labeled_run import labeled_run

from runner.db.jobs import examples
from runner.db.jobs.row_jobs import jobs_of_rows
from runner.rules.labels.row_status import RowStatus

if TYPE_CHECKING:
    from pathlib import Path

    from runner.db.session import Database

S = RowStatus


@pytest.mark.parametrize("first", [S.OK, S.EXCLUDED, S.SKIPPED])
def test_rows_have_the_jobs_that_answer_them(database: Database, tmp_path: Path, first: RowStatus) -> None:
    """Also where row n is not job n; a row without a job is left out, as is one that is not there."""
    run = labeled_run(database, tmp_path / "reviews.csv", (first, S.OK, S.FAILED))

    with database.read() as connection:
        found = jobs_of_rows(connection, run.run_id, [1, 2, 3, 4])

    assert {number: job.job_id for number, job in found.items()} == run.jobs
    assert {number: job.custom_id for number, job in found.items()} == {n: f"row-{n}" for n in run.jobs}


def test_held_jobs_have_an_example_of_each_code(database: Database, tmp_path: Path) -> None:
    """The commonest code first, the first job of each."""
    run = labeled_run(database, tmp_path / "reviews.csv", (S.HELD, S.OK, S.HELD, S.HELD))
    run.driver.change(run.jobs[1], "error_code = 'expired'")

    with database.read() as connection:
        found = examples.of_held(connection, run.run_id, 10)
        first = examples.of_held(connection, run.run_id, 1)

    assert list(found.items()) == [("held-some-cause", "row-3"), ("held-expired", "row-1")]
    assert list(first) == ["held-some-cause"]
