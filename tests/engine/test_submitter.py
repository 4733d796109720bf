"""The submit loop on a real database, in the test's own process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from run_driver import new_run
from runtimes import opened_worker, refused
from sqlalchemy.exc import DBAPIError

from runner.engine.sending.leased_queue import LeasedQueue
from runner.engine.sending.record_attempts import RecordedAttempts
from runner.limiter.slots import Grant, Slot
from runner.rules.sending.submit_plan import Batch
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from runtimes import OpenedWorker

    from runner.db.runs.run_row import RunRow
    from runner.db.session import Database
    from runner.db.workers.leases import LeasedJob
    from runner.engine.runs.active_runs import ActiveRun


@pytest.fixture
def worker(database: Database, database_url: str, tmp_path: Path) -> Iterator[OpenedWorker]:
    """Open a worker's stages on the test's database; its team is known."""
    with opened_worker(database, database_url, tmp_path) as opened:
        opened.set_team("team")
        yield opened


class Batches:
    """In place of the real batches: those of some runs end with an error, those of others count as sent."""

    def __init__(self, *failing: int) -> None:
        self.failing, self.sent = set(failing), list[int]()

    async def submit(self, active_run: ActiveRun, _: LeasedQueue) -> bool:
        if active_run.run.id in self.failing:
            raise ValueError("this run cannot be sent")
        self.sent.append(active_run.run.id)
        return True


def test_a_run_that_cannot_be_sent_does_not_stop_the_others(
    database: Database,
    worker: OpenedWorker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its error is logged; when it is the only run, the error ends the time slice."""
    bad, good = new_run(database, 1), new_run(database, 1, identity="b")
    submitter, batches = worker.stages.submitter, Batches(bad.run_id)
    monkeypatch.setattr(submitter, "_submit_batch", batches.submit)

    assert worker.run(submitter._round()) is True
    assert batches.sent == [good.run_id]
    assert f"run.submit_failed run={bad.run_id} cause=this run cannot be sent" in caplog.text

    batches.failing.add(good.run_id)
    with pytest.raises(ValueError, match="cannot be sent"):
        worker.run(submitter._round())


def test_nothing_is_sent_while_it_may_not_be(
    database: Database, worker: OpenedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as on a full disk, where an answer could not be kept."""
    new_run(database, 1)
    submitter, batches = worker.stages.submitter, Batches()
    monkeypatch.setattr(submitter, "_submit_batch", batches.submit)
    with monkeypatch.context() as patch:
        patch.setattr(worker.runtime.disk, "problem", lambda: "the disk is full")
        assert worker.run(submitter._round()) is False
    assert batches.sent == []

    worker.run(worker.runs.read(fresh=True))
    assert worker.run(submitter._round()) is True


def test_a_run_that_failed_is_left_out_for_a_while(
    database: Database, worker: OpenedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes no slots meanwhile."""
    monkeypatch.setattr("runner.engine.sending.submit.FAILED_WAIT_S", 3600.0)
    bad = new_run(database, 1)
    new_run(database, 1, identity="b")
    submitter = worker.stages.submitter
    with monkeypatch.context() as patch:
        patch.setattr(submitter, "_submit_batch", Batches(bad.run_id).submit)
        worker.run(submitter._round())

    active = {one.run.id: one for one in worker.read_runs()}
    queue = submitter._queues[bad.run_id]
    assert queue.paused_until > worker.loop.time()
    assert worker.run(submitter._submit_batch(active[bad.run_id], queue)) is False
    assert not queue.jobs


def test_while_one_attempt_has_to_be_alone_no_job_is_leased(database: Database, worker: OpenedWorker) -> None:
    """Other workers may send them meanwhile."""
    run = new_run(database, 2)
    submitter, (active_run,) = worker.stages.submitter, worker.read_runs()
    worker.stages.submitter._dispatcher._is_exclusive = True
    queue = LeasedQueue()

    assert worker.run(submitter._submit_batch(active_run, queue)) is False

    assert not queue.jobs
    assert run.rows("SELECT id FROM jobs WHERE lease_owner IS NOT NULL") == []


class FewSlots:
    """In place of the limiter: one slot in each round, for whichever run asks first."""

    def __init__(self) -> None:
        self.slots, self.served = 0, list[int]()

    def bucket(self, model: str) -> str:
        return model

    async def for_attempts(self, bucket: str, _: Sequence[LeasedJob], run: RunRow) -> Grant:
        granted, self.slots = self.slots, 0
        self.served += [run.id] * granted
        slots = [Slot(id="", bucket=bucket, fire_at=0.0)] * granted
        return Grant(slots=slots, retry_after_s=0.2, cost=float(granted))


def test_runs_take_turns_where_slots_are_scarce(
    database: Database, worker: OpenedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that was served least goes first: a small run does not wait behind a large one."""
    runs = [new_run(database, 3, identity=name).run_id for name in ("a", "b", "c")]
    submitter, slots = worker.stages.submitter, FewSlots()

    async def sent(*_: object) -> RecordedAttempts:
        return RecordedAttempts(bodies={1: (b"", None)}, is_over_budget=False)

    monkeypatch.setattr(submitter, "_slots", slots)
    monkeypatch.setattr(submitter, "_send", sent)
    for _ in range(2 * len(runs)):
        slots.slots = 1
        worker.run(submitter._round())
    assert slots.served == [*slots.served[:3]] * 2
    assert sorted(slots.served[:3]) == runs


def test_jobs_that_could_not_be_recorded_wait_in_the_queue(database: Database, worker: OpenedWorker) -> None:
    """Left alone they would stay leased, unsent, until their leases run out."""
    driver = new_run(database, 2)
    jobs = driver.leased()
    (active_run,) = worker.read_runs()
    queue, slots = LeasedQueue(), [Slot(id="", bucket="b", fire_at=0.0) for _ in jobs]
    with refused(database, "INSERT ON attempts", "1 = 1"), pytest.raises(DBAPIError):
        worker.run(worker.stages.submitter._send(jobs, slots, active_run, queue))
    assert list(queue.jobs) == jobs
    assert {driver.state(job.lease.job_id) for job in jobs} == {JobState.PENDING}


@pytest.mark.parametrize("failing", ["_send", "_lease_ahead"])
def test_a_batch_ends_when_both_of_its_parts_have(
    database: Database, worker: OpenedWorker, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """An error of one leaves the other no task that goes on alone, with jobs that nobody has in a queue."""
    new_run(database, 2)
    (active_run,) = worker.read_runs()
    submitter, ended = worker.stages.submitter, list[str]()
    batch: Batch[LeasedJob] = Batch(jobs=(), bucket="b")

    async def planned(*_: object) -> Batch[LeasedJob]:
        return batch

    async def reserved(*_: object) -> Grant:
        return Grant(slots=[], retry_after_s=None)

    async def fails(*_: object) -> None:
        raise ValueError("this part fails")

    async def takes_longer(*_: object) -> None:
        await asyncio.sleep(0.05)
        ended.append("both")

    monkeypatch.setattr(submitter, "_plan", planned)
    monkeypatch.setattr(submitter, "_reserve", reserved)
    for part in ("_send", "_lease_ahead"):
        monkeypatch.setattr(submitter, part, fails if part == failing else takes_longer)
    with pytest.raises(ValueError, match="this part fails"):
        worker.run(submitter._submit_batch(active_run, LeasedQueue()))
    assert ended == ["both"]


def test_after_a_submit_without_an_id_one_job_at_a_time_is_recorded(
    database: Database, worker: OpenedWorker
) -> None:
    """The others stay pending: a recorded attempt that may not leave is a row for nothing."""
    new_run(database, 5)
    (active_run,) = worker.read_runs()
    queue = LeasedQueue()
    assert len(planned_jobs(worker, active_run, queue)) > 1
    worker.stages.submitter._health.record_without_id(0)
    assert len(planned_jobs(worker, active_run, queue)) == 1


def planned_jobs(worker: OpenedWorker, active_run: ActiveRun, queue: LeasedQueue) -> Sequence[LeasedJob]:
    """Return the jobs that would be sent together now."""
    batch = worker.run(worker.stages.submitter._plan(active_run, queue))
    assert batch is not None
    return batch.jobs
