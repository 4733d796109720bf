"""Refused models on a real database: which jobs are held, when the run pauses, and what it costs to know."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from run_driver import NOW_MS, RunDriver, new_run
from sqlalchemy import event

from runner.db.moves.outcomes import Cause
from runner.rules.replies.model_refusal import REFUSALS_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtimes import OpenedWorker

    from runner.db.session import Database
    from runner.db.workers.leases import LeasedJob
    from runner.engine.sending.refused_models import RefusedModels

GONE = Cause(code="model-gone", message="The model grok-9 does not exist", http_status=404)
JOBS = 12


@pytest.fixture
def reads(worker: OpenedWorker) -> list[str]:
    """Return the list of the statements that look for another model in the whole run."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        found.extend([statement] if "model NOT IN" in statement else [])

    event.listen(worker.runtime.database.engine, "before_cursor_execute", note)
    return found


def in_flight(driver: RunDriver, worker: OpenedWorker, models: Sequence[str]) -> list[LeasedJob]:
    """Name these models in the run's first jobs, and send those; the others keep theirs."""
    first = driver.run_id << 32
    for number, model in enumerate(models):
        driver.change(first + number, f"model = '{model}'")
    jobs = driver.leased(rows_max=len(models), now_ms=NOW_MS)
    driver.send(*(job.lease for job in jobs))
    worker.read_runs()
    return jobs


def refuse(worker: OpenedWorker, refused_models: RefusedModels, jobs: Sequence[LeasedJob]) -> None:
    """Let the API refuse the models of these jobs at the same time."""

    async def all_at_once() -> None:
        await asyncio.gather(*(refused_models.handle(job, GONE) for job in jobs))

    worker.run(all_at_once())


def states(driver: RunDriver) -> dict[str, int]:
    """Return the number of jobs by state."""
    return {key: n for (kind, key), n in driver.counts().items() if kind == "state"}


def test_the_models_of_a_run_are_read_once_for_each_refused_model(
    database: Database, worker: OpenedWorker, reads: list[str]
) -> None:
    """Not for each refusal: they may be in a table of millions."""
    driver = new_run(database, JOBS)
    jobs = in_flight(driver, worker, ["grok-8"] * 4 + ["grok-9"] * 4)
    refused_models = worker.refused_models()

    refuse(worker, refused_models, jobs[:4])
    assert len(reads) == 1
    refuse(worker, refused_models, jobs[4:])

    assert states(driver) == {"held": 8, "pending": 4}
    assert len(reads) <= 2


def test_a_run_of_refused_models_pauses_once_and_is_read_once(
    database: Database, worker: OpenedWorker, reads: list[str]
) -> None:
    """Also where many of its jobs were in flight; resumed, it finds out once more."""
    driver = new_run(database, JOBS)
    jobs = in_flight(driver, worker, ["grok-9"] * JOBS)
    refused_models = worker.refused_models()
    refuse(worker, refused_models, jobs[:6])

    (run,) = driver.rows("SELECT state, pause_reason FROM runs")
    assert (run.state, run.pause_reason) == ("paused", "model")
    assert states(driver) == {"pending": 6, "submitting": 6}
    assert len(reads) == 1

    with database.write() as connection:
        connection.exec_driver_sql("UPDATE runs SET state = 'running', pause_reason = NULL")
    worker.read_runs()
    refuse(worker, refused_models, jobs[6:])
    assert states(driver) == {"pending": JOBS}
    assert len(reads) == 2


def test_a_recorded_attempt_that_is_withheld_was_not_sent(database: Database, worker: OpenedWorker) -> None:
    """Its outcome says so, and no other job's model is held for it."""
    driver = new_run(database, JOBS)
    jobs = in_flight(driver, worker, ["grok-9"] * (REFUSALS_MAX + 1) + ["grok-4.5"])
    refused_models = worker.refused_models()
    refuse(worker, refused_models, jobs[:REFUSALS_MAX])
    recorded, other = jobs[REFUSALS_MAX:]

    cause = refused_models.withheld_for(recorded)
    assert cause == Cause(code="model-gone")
    assert refused_models.withheld_for(other) is None
    worker.run(refused_models.withhold_recorded(recorded, cause))

    outcomes = [driver.history(job.lease.job_id)[0].outcome for job in jobs]
    assert outcomes == ["refused"] * REFUSALS_MAX + ["withheld", "marked"]
    assert driver.state(recorded.lease.job_id) == "held"
