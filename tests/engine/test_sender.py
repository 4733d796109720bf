"""Whether a POST may leave, right before it does; and that its slot is confirmed or given back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from run_driver import new_run
from runtimes import opened_worker
from simulator_thread import SimulatorThread

from runner.engine.sending import sender
from runner.engine.sending.sender import Exchange, NotSent, ReadyAttempt
from runner.limiter.slots import Slot
from runner.rules.replies.model_refusal import REFUSALS_MAX, ModelRefusals
from runner.rules.replies.reply import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from run_driver import RunDriver
    from runtimes import OpenedWorker

    from runner.db.session import Database
    from runner.engine.sending.sender import Sender

BODY = b'{"model":"grok-4.3","deferred":true,"messages":[{"role":"user","content":"one word"}]}'
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    """Start a simulator that answers at once."""
    with SimulatorThread() as running:
        yield running


@pytest.fixture
def worker(
    database: Database, database_url: str, tmp_path: Path, simulator: SimulatorThread
) -> Iterator[OpenedWorker]:
    """Open a worker's stages on the test's database."""
    with opened_worker(database, database_url, tmp_path, simulator.server.url) as opened:
        yield opened


@pytest.fixture
def driver(database: Database, worker: OpenedWorker) -> RunDriver:
    """Load a run that the worker has read."""
    loaded = new_run(database, 3, body=BODY)
    worker.read_runs()
    return loaded


def sender_of(worker: OpenedWorker) -> Sender:
    return worker.stages.submitter._dispatcher._sender


def attempt(worker: OpenedWorker, driver: RunDriver, *, late_ms: int = -60_000) -> ReadyAttempt:
    """Return the recorded attempt of the next job, `late_ms` after the moment until which it may be sent."""
    (job,) = driver.leased(rows_max=1)
    driver.send(job.lease)
    return ReadyAttempt(
        job=job,
        slot=Slot(id="", bucket="b", fire_at=worker.loop.time()),
        body=BODY,
        conv_id=None,
        send_before_ms=worker.now_ms() - late_ms,
    )


def stop(worker: OpenedWorker) -> None:
    worker.shared.wakeups.is_stopping = True


def pause(worker: OpenedWorker) -> None:
    with worker.runtime.database.write() as connection:
        connection.exec_driver_sql("UPDATE runs SET state = 'paused', pause_reason = 'user'")
    worker.read_runs()


def fail(worker: OpenedWorker) -> None:
    """One request is out, and the last ones failed."""
    its = sender_of(worker)
    its._unreplied = 1
    for at_ms in (0, worker.now_ms() + 1):
        its._health.record_failure(at_ms)


def pause_limiter(worker: OpenedWorker) -> None:
    worker.loop.call_soon_threadsafe(lambda: worker.shared.limiter.pause("b", 3600.0, rate_limited=False))


def fill_disk(worker: OpenedWorker) -> None:
    worker.runtime.disk.write_failed(OSError(28, "no space left"))
    worker.runtime.disk._failed_until_s = math.inf  # however long the test takes


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (stop, sender.STOPPING),
        (pause, sender.PAUSED),
        (fail, sender.SLOT_PASSED),
        (pause_limiter, sender.SLOT_PASSED),
        (fill_disk, sender.SPOOL_FAILED),
    ],
)
def test_a_post_that_must_stay(
    worker: OpenedWorker,
    driver: RunDriver,
    simulator: SimulatorThread,
    change: Callable[[OpenedWorker], None],
    code: str,
) -> None:
    """Nothing leaves, and the reason is on record; the job is pending again."""
    kept = attempt(worker, driver)
    change(worker)
    result = worker.run(sender_of(worker).send(kept))
    assert isinstance(result, NotSent)
    assert (result.cause.code, result.is_withheld) == (code, False)
    worker.run(worker.stages.submitter._dispatcher._outcomes.conclude(kept, result))
    assert driver.state(kept.job.lease.job_id) == "pending"
    assert driver.history(kept.job.lease.job_id)[0].outcome == "not_sent"
    assert simulator.books()["accepted"] == 0


def test_a_post_whose_model_was_refused_meanwhile_is_withheld(
    worker: OpenedWorker, driver: RunDriver, simulator: SimulatorThread
) -> None:
    """Its attempt is on record already, so it is held there."""
    kept, its = attempt(worker, driver), sender_of(worker)
    refusals = ModelRefusals(count=REFUSALS_MAX, last_at_ms=worker.now_ms(), code="model-gone")
    its._refused_models._refusals[driver.run_id, kept.job.model] = refusals
    result = worker.run(its.send(kept))
    assert isinstance(result, NotSent)
    assert (result.cause.code, result.is_withheld) == ("model-gone", True)
    worker.run(worker.stages.submitter._dispatcher._outcomes.conclude(kept, result))
    assert driver.state(kept.job.lease.job_id) == "held"
    assert simulator.books()["accepted"] == 0


def test_a_path_that_another_server_answers_is_not_used(
    worker: OpenedWorker, driver: RunDriver, simulator: SimulatorThread
) -> None:
    """After a submit without a request_id: the next one leaves only if the API itself is there."""
    kept, its = attempt(worker, driver), sender_of(worker)
    its._health.record_without_id(worker.now_ms())
    simulator.switch(down="page")
    result = worker.run(its.send(kept))
    assert isinstance(result, NotSent)
    assert result.cause.code == sender.PATH_BLOCKED
    worker.run(worker.stages.submitter._dispatcher._outcomes.conclude(kept, result))
    assert driver.state(kept.job.lease.job_id) == "pending"
    (run,) = driver.rows("SELECT state FROM runs")
    assert run.state == "waiting"


def test_a_post_that_is_late_stays(
    worker: OpenedWorker, driver: RunDriver, simulator: SimulatorThread
) -> None:
    """Its lease may not hold until the reply."""
    result = worker.run(sender_of(worker).send(attempt(worker, driver, late_ms=1_000)))
    assert isinstance(result, NotSent)
    assert result.cause.code == sender.TOO_LATE
    assert simulator.books()["accepted"] == 0


def test_a_post_that_leaves_is_in_the_spool(
    worker: OpenedWorker, driver: RunDriver, simulator: SimulatorThread
) -> None:
    """Before anything else: after a crash it has an unknown outcome."""
    result = worker.run(sender_of(worker).send(attempt(worker, driver)))
    assert isinstance(result, Exchange)
    assert (result.classification.outcome, result.status) == (Outcome.ACCEPTED, 200)
    assert not result.segment.is_acknowledged
    assert simulator.books()["accepted"] == 1
