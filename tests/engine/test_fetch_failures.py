"""Fetches without an answer on a real database: what the breaker sees, and when runs wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from run_driver import RunDriver, new_run
from runtimes import opened_station
from simulator_thread import SimulatorThread

from runner.engine.circuit_breaker import Endpoint
from runner.engine.fetch_failures import FetchFailures
from runner.rules import reply
from runner.rules.chat_completion import read_completion
from runner.rules.reply import Classification, Outcome, Reply
from runner.rules.states import JobState, RunState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runner.db.leases import ClaimedJob, Lease
    from runner.db.session import Database
    from runner.engine.runtime import Runtime

S = JobState
GONE = Classification(outcome=Outcome.GONE, code="result-gone")
NOT_READY = Classification(outcome=Outcome.NOT_READY, code="not-ready")
API_ERROR = b'{"code":"Some requested entity was not found","error":"Nothing here."}'
OTHER_ERROR = b'{"error":{"message":"Nothing here.","code":"not_found"}}'
PAGE = b"<html><title>Log in</title></html>"


@pytest.fixture
def runtime(database: Database, database_url: str, tmp_path: Path) -> Iterator[Runtime]:
    """Open a real runtime on the test's database."""
    with opened_station(database, database_url, tmp_path) as opened:
        yield opened


@pytest.fixture
def recorded(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return the list of what the breaker gets: True is a bad fetch."""
    found: list[bool] = []

    def record(_lease: Lease, endpoint: Endpoint, *, bad: bool) -> None:
        assert endpoint is Endpoint.FETCH
        found.append(bad)

    monkeypatch.setattr(runtime.breaker, "record", record)
    return found


def claimed(driver: RunDriver, runtime: Runtime) -> ClaimedJob:
    """Bring one more job to `collecting` by this runtime's worker, accepted just now."""
    mine = RunDriver(driver.database, driver.run_id, runtime.worker)
    lease = mine.bring(S.WAITING)
    mine.change(lease.job_id, f"due_at_ms = 0, accepted_at_ms = {runtime.now_ms()}")
    (job,) = mine.claim(now_ms=runtime.now_ms())
    return job


def page(failures: FetchFailures, runtime: Runtime, job: ClaimedJob) -> None:
    runtime.run(failures.handle_unreadable(job, PAGE, read_completion(PAGE)))


def run_state(driver: RunDriver) -> tuple[str, str | None]:
    (row,) = driver.rows("SELECT state, pause_text FROM runs WHERE id = :id", id=driver.run_id)
    return row.state, row.pause_text


@pytest.mark.parametrize("was_interrupted", [False, True])
def test_a_lost_answer_counts_unless_a_crash_took_it(
    database: Database, runtime: Runtime, recorded: list[bool], was_interrupted: bool
) -> None:
    """The job is lost and bought again either way; the breaker is for what the API does."""
    driver = new_run(database, 1)
    job = claimed(driver, runtime)
    driver.change(job.lease.job_id, "misses = 1, state = 'waiting', due_at_ms = 0")
    if was_interrupted:
        driver.change(job.lease.job_id, "interrupted_at_ms = 1")
    (job,) = RunDriver(database, driver.run_id, runtime.worker).claim(now_ms=runtime.now_ms())

    runtime.run(FetchFailures(runtime).handle(job, GONE, 404, 0))

    assert driver.state(job.lease.job_id) is S.PENDING
    assert driver.count("extra", "lost") == 1
    assert recorded == ([] if was_interrupted else [True])


def test_from_three_in_a_row_on_runs_wait_until_the_api_replies(
    database: Database, runtime: Runtime, recorded: list[bool]
) -> None:
    """They say what came; nothing is bad, nothing ends the wait but the API's own reply to a fetch."""
    driver = new_run(database, 9)
    failures = FetchFailures(runtime)
    jobs = [claimed(driver, runtime) for _ in range(4)]
    runtime.run(runtime.active_runs(fresh=True))
    for job in jobs[:2]:
        page(failures, runtime, job)
    assert run_state(driver) == (RunState.RUNNING, None)

    page(failures, runtime, jobs[2])

    assert run_state(driver) == (RunState.WAITING, "fetches bring a web page (Log in) instead of answers")
    runtime.run(runtime.active_runs(fresh=True))
    runtime.run(runtime.end_waiting(driver.run_id))  # as an accepted submit does
    assert run_state(driver)[0] == RunState.WAITING
    runtime.run(failures.handle(jobs[3], NOT_READY, 202, 0))
    assert run_state(driver)[0] == RunState.RUNNING
    assert not runtime.fetch_outage
    assert recorded == []


def test_a_failed_generation_is_a_reply_of_the_api(
    database: Database, runtime: Runtime, recorded: list[bool]
) -> None:
    """So it ends an outage, as any other does."""
    driver = new_run(database, 4)
    failures = FetchFailures(runtime)
    jobs = [claimed(driver, runtime) for _ in range(4)]
    runtime.run(runtime.active_runs(fresh=True))
    for job in jobs[:3]:
        page(failures, runtime, job)
    assert run_state(driver)[0] == RunState.WAITING

    failed = Classification(outcome=Outcome.GENERATION_FAILED, code="generation-failed")
    runtime.run(failures.handle(jobs[3], failed, 500, 0))

    assert not runtime.fetch_outage
    assert run_state(driver)[0] == RunState.RUNNING
    assert recorded == []


def test_what_is_scattered_counts_in_the_breaker(
    database: Database, runtime: Runtime, recorded: list[bool]
) -> None:
    """Two pages, then a reply of the API: two bad fetches."""
    driver = new_run(database, 3)
    failures = FetchFailures(runtime)
    jobs = [claimed(driver, runtime) for _ in range(3)]
    for job in jobs[:2]:
        page(failures, runtime, job)
    assert recorded == []

    runtime.run(failures.handle(jobs[2], NOT_READY, 202, 0))

    assert recorded == [True, True]
    assert driver.count("state", "waiting") == 3


def test_answers_that_an_outage_took_along_count(
    database: Database, runtime: Runtime, recorded: list[bool]
) -> None:
    """A gateway that eats every answer must not have all of them bought again."""
    driver = new_run(database, 3)
    failures = FetchFailures(runtime)
    jobs = [claimed(driver, runtime) for _ in range(3)]
    for job in jobs:
        page(failures, runtime, job)
    assert recorded == []
    for _ in range(2):
        for job in jobs:
            driver.change(job.lease.job_id, "due_at_ms = 0")
        jobs = RunDriver(database, driver.run_id, runtime.worker).claim(3, now_ms=runtime.now_ms())
        for job in jobs:
            runtime.run(failures.handle(job, GONE, 404, 0))

    assert driver.count("extra", "lost") == 3
    assert recorded == [True] * 3


def test_while_an_answer_is_due_an_outage_stops_sending(runtime: Runtime) -> None:
    """With none due one job may go, so that one answer that can never be read stops no run."""
    runtime.fetch_outage = True
    runtime.next_due_ms = runtime.now_ms() - 1
    assert runtime.run(runtime.can_send([])) is False
    runtime.next_due_ms = runtime.now_ms() + 60_000
    assert runtime._is_probing_fetches() is False


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
        opened_station(
            database, database_url, tmp_path, f"{simulator.server.url.removesuffix('/v1')}{path}"
        ) as runtime,
    ):
        driver = new_run(database, 1)
        failures = FetchFailures(runtime)
        job = claimed(driver, runtime)
        driver.change(job.lease.job_id, "misses = 1, state = 'waiting', due_at_ms = 0")
        (job,) = RunDriver(database, driver.run_id, runtime.worker).claim(now_ms=runtime.now_ms())
        found = reply.classify_fetch(Reply(status=404, headers={}, body=body), now_s=0.0, secrets=())
        assert found.outcome is Outcome.FOREIGN

        runtime.run(failures.handle(job, found, 404, 0, body))

        assert driver.state(job.lease.job_id) is state
        assert driver.count("extra", "lost") == (state is S.PENDING)
