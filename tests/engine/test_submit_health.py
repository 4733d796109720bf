"""Whether the way to the API is open, after a submit that got no request_id."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from run_driver import new_run
from runtimes import opened_worker
from valkey_server import valkey_server

from runner.engine.sending.submit_health import SubmitHealth
from runner.limiter.limiter import LimiterUnavailable

if TYPE_CHECKING:
    from pathlib import Path

    from run_driver import RunDriver
    from runtimes import OpenedWorker

    from runner.db.session import Database

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def health_of(worker: OpenedWorker) -> SubmitHealth:
    shared = worker.shared
    return SubmitHealth(
        worker.runtime.api, shared.runs, shared.breaker, shared.outage, shared.limiter, worker.now_ms
    )


def test_the_way_is_open_until_a_submit_got_no_id(worker: OpenedWorker) -> None:
    """Nothing is asked before; then the API itself must answer, and here it does not."""
    health = health_of(worker)
    assert worker.run(health.is_path_open())
    health.record_without_id(0)
    assert health.is_one_at_a_time
    assert not worker.run(health.is_path_open())


def test_one_asks_for_all_that_wait(
    database: Database, worker: OpenedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A submit that got through meanwhile answers for the others."""
    driver: RunDriver = new_run(database, 1)
    (job,) = driver.leased(rows_max=1)
    health, asked = health_of(worker), list[int]()

    async def right() -> bool:
        asked.append(1)
        health.accepted(job)
        return True

    monkeypatch.setattr(health, "is_path_right", right)
    health.record_without_id(0)

    async def all_of_them() -> list[bool]:
        return await asyncio.gather(*(health.is_path_open() for _ in range(5)))

    assert worker.run(all_of_them()) == [True] * 5
    assert asked == [1]


def test_a_submit_that_left_before_redis_was_gone_does_not_end_the_wait_for_it(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """Its event would say that the service answers again; the first one sent after Redis is back ends it."""
    with (
        valkey_server() as valkey,
        opened_worker(database, database_url, tmp_path, RUNNER_REDIS_URL=valkey.url) as worker,
    ):
        worker.set_team("team")
        driver = new_run(database, 1)
        (job,) = driver.leased(rows_max=1)
        (active_run,) = worker.read_runs()
        checks, health = worker.stages.submitter._checks, health_of(worker)

        def reserve() -> None:
            worker.run(worker.shared.slots.for_attempts("team:grok-4.3", [job], active_run.run))

        def end_waiting() -> str:
            worker.read_runs()
            worker.run(health.end_waiting(driver.run_id))
            return str(driver.rows("SELECT state FROM runs")[0].state)

        valkey.stop()
        with pytest.raises(LimiterUnavailable) as failed:
            reserve()
        worker.run(checks.limiter_failed([active_run], failed.value))
        assert end_waiting() == "waiting"

        valkey.start()
        reserve()
        assert end_waiting() == "running"
