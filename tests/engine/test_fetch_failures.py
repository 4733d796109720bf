"""Fetches without an answer on a real database: what the breaker sees, and when runs wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from run_driver import RunDriver, new_run
from runtimes import opened_worker
from simulator_thread import SimulatorThread

from runner.db.workers.leases import Lease
from runner.engine.runs.circuit_breaker import Endpoint
from runner.engine.sending.submit_health import SubmitHealth
from runner.rules.replies import reply
from runner.rules.replies.chat_completion import read_completion
from runner.rules.replies.reply import Classification, Outcome, Reply
from runner.rules.replies.unreadable import OUTAGE_AFTER
from runner.rules.states import JobState, RunState

if TYPE_CHECKING:
    from pathlib import Path

    from runtimes import OpenedWorker

    from runner.db.session import Database
    from runner.db.workers.leases import ClaimedJob
    from runner.engine.collecting.fetch_failures import FetchFailures

S = JobState
GONE = Classification(outcome=Outcome.GONE, code="result-gone")
NOT_READY = Classification(outcome=Outcome.NOT_READY, code="not-ready")
API_ERROR = b'{"code":"Some requested entity was not found","error":"Nothing here."}'
OTHER_ERROR = b'{"error":{"message":"Nothing here.","code":"not_found"}}'
PAGE = b"<html><title>Log in</title></html>"


@pytest.fixture
def recorded(worker: OpenedWorker, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return the list of what the breaker gets: True is a bad fetch."""
    found: list[bool] = []

    def record(_lease: Lease, endpoint: Endpoint, *, bad: bool) -> None:
        assert endpoint is Endpoint.FETCH
        found.append(bad)

    monkeypatch.setattr(worker.shared.breaker, "record", record)
    return found


def claimed(driver: RunDriver, worker: OpenedWorker) -> ClaimedJob:
    """Bring one more job to `collecting` by this runtime's worker, accepted just now."""
    mine = RunDriver(driver.database, driver.run_id, worker.runtime.worker)
    lease = mine.bring(S.WAITING)
    mine.change(lease.job_id, f"due_at_ms = 0, accepted_at_ms = {worker.now_ms()}")
    (job,) = mine.claim(now_ms=worker.now_ms())
    return job


def page(failures: FetchFailures, worker: OpenedWorker, job: ClaimedJob) -> None:
    worker.run(failures.handle_unreadable(job, PAGE, read_completion(PAGE)))


def run_state(driver: RunDriver) -> tuple[str, str | None]:
    (row,) = driver.rows("SELECT state, pause_text FROM runs WHERE id = :id", id=driver.run_id)
    return row.state, row.pause_text


@pytest.mark.parametrize("was_interrupted", [False, True])
def test_a_lost_answer_counts_unless_a_crash_took_it(
    database: Database, worker: OpenedWorker, recorded: list[bool], was_interrupted: bool
) -> None:
    """The job is lost and bought again either way; the breaker is for what the API does."""
    driver = new_run(database, 1)
    job = claimed(driver, worker)
    driver.change(job.lease.job_id, "misses = 1, state = 'waiting', due_at_ms = 0")
    if was_interrupted:
        driver.change(job.lease.job_id, "interrupted_at_ms = 1")
    (job,) = RunDriver(database, driver.run_id, worker.runtime.worker).claim(now_ms=worker.now_ms())

    worker.run(worker.fetch_failures().handle(job, GONE, 404, 0))

    assert driver.state(job.lease.job_id) is S.PENDING
    assert driver.count("extra", "lost") == 1
    assert recorded == ([] if was_interrupted else [True])


def test_from_three_in_a_row_on_runs_wait_until_the_api_replies(
    database: Database, worker: OpenedWorker, recorded: list[bool]
) -> None:
    """They say what came; nothing is bad, nothing ends the wait but the API's own reply to a fetch."""
    driver = new_run(database, 9)
    failures = worker.fetch_failures()
    jobs = [claimed(driver, worker) for _ in range(4)]
    worker.read_runs()
    for job in jobs[:2]:
        page(failures, worker, job)
    assert run_state(driver) == (RunState.RUNNING, None)

    page(failures, worker, jobs[2])

    assert run_state(driver) == (RunState.WAITING, "fetches bring a web page (Log in) instead of answers")
    worker.read_runs()
    health = SubmitHealth(
        worker.runtime.api,
        worker.runs,
        worker.shared.breaker,
        worker.shared.outage,
        worker.shared.limiter,
        worker.now_ms,
    )
    worker.run(health.end_waiting(driver.run_id))  # as an accepted submit does
    assert run_state(driver)[0] == RunState.WAITING
    worker.run(failures.handle(jobs[3], NOT_READY, 202, 0))
    assert run_state(driver)[0] == RunState.RUNNING
    assert not worker.shared.outage.is_on
    assert recorded == []


def test_a_failed_generation_is_a_reply_of_the_api(
    database: Database, worker: OpenedWorker, recorded: list[bool]
) -> None:
    """So it ends an outage, as any other does."""
    driver = new_run(database, 4)
    failures = worker.fetch_failures()
    jobs = [claimed(driver, worker) for _ in range(4)]
    worker.read_runs()
    for job in jobs[:3]:
        page(failures, worker, job)
    assert run_state(driver)[0] == RunState.WAITING

    failed = Classification(outcome=Outcome.GENERATION_FAILED, code="generation-failed")
    worker.run(failures.handle(jobs[3], failed, 500, 0))

    assert not worker.shared.outage.is_on
    assert run_state(driver)[0] == RunState.RUNNING
    assert recorded == []


def test_what_is_scattered_counts_in_the_breaker(
    database: Database, worker: OpenedWorker, recorded: list[bool]
) -> None:
    """Two pages, then a reply of the API: two bad fetches."""
    driver = new_run(database, 3)
    failures = worker.fetch_failures()
    jobs = [claimed(driver, worker) for _ in range(3)]
    for job in jobs[:2]:
        page(failures, worker, job)
    assert recorded == []

    worker.run(failures.handle(jobs[2], NOT_READY, 202, 0))

    assert recorded == [True, True]
    assert driver.count("state", "waiting") == 3


def test_answers_that_an_outage_took_along_count(
    database: Database, worker: OpenedWorker, recorded: list[bool]
) -> None:
    """A gateway that eats every answer must not have all of them bought again."""
    driver = new_run(database, 3)
    failures = worker.fetch_failures()
    jobs = [claimed(driver, worker) for _ in range(3)]
    for job in jobs:
        page(failures, worker, job)
    assert recorded == []
    for _ in range(2):
        for job in jobs:
            driver.change(job.lease.job_id, "due_at_ms = 0")
        jobs = RunDriver(database, driver.run_id, worker.runtime.worker).claim(3, now_ms=worker.now_ms())
        for job in jobs:
            worker.run(failures.handle(job, GONE, 404, 0))

    assert driver.count("extra", "lost") == 3
    assert recorded == [True] * 3


def test_while_an_answer_is_due_an_outage_stops_sending(worker: OpenedWorker) -> None:
    """With none due one job may go, so that one answer that can never be read stops no run."""
    checks, outage = worker.stages.submitter._checks, worker.shared.outage
    for _ in range(OUTAGE_AFTER):
        outage.record_unreadable(Lease(job_id=1, gen=1, attempt=1), 0.5)
    worker.shared.wakeups.next_due_ms = worker.now_ms() - 1
    assert worker.run(checks.may_send([])) is False
    worker.shared.wakeups.next_due_ms = worker.now_ms() + 3_600_000
    assert checks._is_probing_fetches() is False


@pytest.mark.parametrize(
    ("path", "body", "state"),
    [
        ("/v1", API_ERROR, S.PENDING),
        ("/v1", OTHER_ERROR, S.WAITING),
        ("", API_ERROR, S.WAITING),
    ],
    ids=["of the API", "of another server", "at a wrong path"],
)
def test_a_404_in_unknown_words_is_a_loss_only_if_it_is_the_apis(
    database: Database, database_url: str, tmp_path: Path, path: str, body: bytes, state: JobState
) -> None:
    """xAI documents no words for a result that is gone: its form counts, where its models are listed."""
    with (
        SimulatorThread() as simulator,
        opened_worker(
            database, database_url, tmp_path, f"{simulator.server.url.removesuffix('/v1')}{path}"
        ) as worker,
    ):
        driver = new_run(database, 1)
        failures = worker.fetch_failures()
        job = claimed(driver, worker)
        driver.change(job.lease.job_id, "misses = 1, state = 'waiting', due_at_ms = 0")
        (job,) = RunDriver(database, driver.run_id, worker.runtime.worker).claim(now_ms=worker.now_ms())
        found = reply.classify_fetch(Reply(status=404, headers={}, body=body), now_s=0.0, secrets=())
        assert found.outcome is Outcome.FOREIGN

        worker.run(failures.handle(job, found, 404, 0, body))

        assert driver.state(job.lease.job_id) is state
        assert driver.count("extra", "lost") == (state is S.PENDING)
