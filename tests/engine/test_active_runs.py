"""The runs at work as a worker reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from run_driver import new_run

from runner.db.runs.run_row import RunOptions
from runner.engine.runs.active_runs import read_active_runs
from runner.rules.states import JobState

if TYPE_CHECKING:
    from runner.db.session import Database


@pytest.mark.parametrize(
    ("limit", "sent", "nothing"),
    [(None, 2, False), (None, 3, True), (2, 1, False), (2, 2, True), (9, 2, False)],
)
def test_jobs_beyond_the_limit_are_not_to_be_submitted(
    database: Database, limit: int | None, sent: int, nothing: bool
) -> None:
    """A run that only collects ends its wait by a fetch; one that may submit, by a submit."""
    driver = new_run(database, 3, RunOptions(limit=limit))
    for _ in range(sent):
        driver.bring(JobState.WAITING)

    with database.read() as connection:
        (active,) = read_active_runs(connection)

    assert active.has_nothing_to_submit is nothing
