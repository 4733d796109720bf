"""The submit loop on a real database, in the test's own process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from run_driver import new_run
from runtimes import opened_station, refused
from sqlalchemy.exc import DBAPIError

from runner.engine.leased_queue import LeasedQueue
from runner.engine.submit import Submitter
from runner.limiter.slots import Slot
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runner.db.session import Database
    from runner.engine.active_runs import ActiveRun
    from runner.engine.runtime import Runtime


@pytest.fixture
def runtime(database: Database, database_url: str, tmp_path: Path) -> Iterator[Runtime]:
    """Open a real runtime on the test's database."""
    with opened_station(database, database_url, tmp_path) as opened:
        yield opened


class FailingFor(Submitter):
    """Batches of one run end with an error; those of others count as sent."""

    def __init__(self, runtime: Runtime, run_ids: set[int]) -> None:
        super().__init__(runtime)
        self.run_ids, self.sent = run_ids, list[int]()

    async def _submit_batch(self, active_run: ActiveRun, queue: LeasedQueue) -> bool:
        run_id = active_run.run.id
        if run_id in self.run_ids:
            raise ValueError("this run cannot be sent")
        self.sent.append(run_id)
        return True


async def _can_send(_: object) -> bool:
    await asyncio.sleep(0)
    return True


def test_a_run_that_cannot_be_sent_does_not_stop_the_others(
    database: Database, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its error is logged; when it is the only run, the error ends the time slice."""
    bad, good = new_run(database, 1), new_run(database, 1, identity="b")
    monkeypatch.setattr(runtime, "can_send", _can_send)
    submitter = FailingFor(runtime, {bad.run_id})

    assert runtime.run(submitter._round()) is True
    assert submitter.sent == [good.run_id]
    assert f"run.submit_failed run={bad.run_id} cause=this run cannot be sent" in caplog.text

    submitter.run_ids.add(good.run_id)
    with pytest.raises(ValueError, match="cannot be sent"):
        runtime.run(submitter._round())


def test_a_run_that_failed_is_left_out_for_a_while(
    database: Database, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes no slots meanwhile."""
    bad = new_run(database, 1)
    new_run(database, 1, identity="b")
    monkeypatch.setattr(runtime, "can_send", _can_send)
    submitter = FailingFor(runtime, {bad.run_id})
    runtime.run(submitter._round())

    active = {one.run.id: one for one in runtime.run(runtime.active_runs(fresh=True))}
    queue = submitter._queues[bad.run_id]
    assert queue.paused_until > runtime.loop.time()
    assert runtime.run(Submitter._submit_batch(submitter, active[bad.run_id], queue)) is False


def test_jobs_that_could_not_be_recorded_wait_in_the_queue(database: Database, runtime: Runtime) -> None:
    """Left alone they would stay leased, unsent, until their leases run out."""
    driver = new_run(database, 2)
    jobs = driver.leased()
    (active_run,) = runtime.run(runtime.active_runs(fresh=True))
    queue, slots = LeasedQueue(), [Slot(id="", bucket="b", fire_at=0.0) for _ in jobs]
    submitter = Submitter(runtime)
    with refused(database, "INSERT ON attempts", "1 = 1"), pytest.raises(DBAPIError):
        runtime.run(submitter._send(jobs, slots, active_run, queue))
    assert list(queue.jobs) == jobs
    assert {driver.state(job.lease.job_id) for job in jobs} == {JobState.PENDING}
