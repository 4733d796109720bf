"""Nothing is sent before the team is known, and a run says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from run_driver import new_run
from runtimes import opened_worker
from simulator_thread import SimulatorThread

from runner.db.workers.leases import Lease
from runner.rules.replies.unreadable import OUTAGE_AFTER
from runner.rules.sending.probes import UNAVAILABLE_AFTER

if TYPE_CHECKING:
    from pathlib import Path

    from run_driver import RunDriver
    from runtimes import OpenedWorker
    from valkey_server import ValkeyServer

    from runner.db.session import Database

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def look(worker: OpenedWorker, driver: RunDriver) -> tuple[bool, str, str | None]:
    """Ask once; return its answer, and the run's state with the reason of its pause."""
    is_open = worker.run(worker.stages.submitter._checks.may_send(worker.read_runs()))
    (row,) = driver.rows("SELECT state, pause_reason FROM runs")
    return is_open, row.state, row.pause_reason


def test_a_key_that_is_refused_pauses_the_run(
    database: Database, database_url: str, tmp_path: Path, server: ValkeyServer
) -> None:
    """Only a person can mend that."""
    with (
        SimulatorThread(keys=("xai-another-key-of-some-length",)) as simulator,
        opened_worker(
            database, database_url, tmp_path, simulator.server.url, RUNNER_REDIS_URL=server.url
        ) as worker,
    ):
        assert look(worker, new_run(database, 1)) == (False, "paused", "key")


def test_an_api_that_is_away_makes_the_run_wait(
    database: Database, database_url: str, tmp_path: Path, server: ValkeyServer
) -> None:
    """After some tries; one may fail by chance. Nothing listens at the base URL."""
    with opened_worker(database, database_url, tmp_path, RUNNER_REDIS_URL=server.url) as worker:
        driver = new_run(database, 1)
        worker.run(worker.shared.team.close())  # it asks by itself as well
        for tries in range(1, UNAVAILABLE_AFTER + 1):
            worker.shared.team._again_at = worker.shared.team._tries = 0
            worker.shared.team._tries = tries - 1
            found = look(worker, driver)
            assert found == (False, "waiting" if tries >= UNAVAILABLE_AFTER else "running", None)


def test_without_redis_the_run_waits_and_says_whose_it_is(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """The user's own Redis has to be started by somebody; the engine's own comes back by itself."""
    with opened_worker(
        database, database_url, tmp_path, RUNNER_REDIS_URL=f"unix://{tmp_path}/no.sock"
    ) as worker:
        driver = new_run(database, 1)
        assert look(worker, driver) == (False, "waiting", None)
        (row,) = driver.rows("SELECT pause_text FROM runs")
        assert "correct RUNNER_REDIS_URL" in row.pause_text


def test_a_full_disk_makes_running_runs_wait(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at before the team."""
    with opened_worker(database, database_url, tmp_path) as worker:
        monkeypatch.setattr(worker.runtime.disk, "problem", lambda: "the disk is full")
        driver = new_run(database, 1)
        assert look(worker, driver) == (False, "waiting", None)
        (row,) = driver.rows("SELECT pause_text FROM runs")
        assert row.pause_text == "the disk is full"


def test_while_fetches_bring_no_answers_one_that_is_due_is_asked_for_first(
    database: Database, worker: OpenedWorker
) -> None:
    """Else nothing shows when that is over; without one that is due, a new job does."""
    worker.set_team("team")
    driver = new_run(database, 1)
    for _ in range(OUTAGE_AFTER):
        worker.shared.outage.record_unreadable(Lease(job_id=1, gen=1, attempt=1), 0.5)

    for next_due_ms, may_send in ((None, True), (worker.now_ms() + 3_600_000, True), (1, False)):
        worker.shared.wakeups.next_due_ms = next_due_ms
        assert look(worker, driver) == (may_send, "running", None)

    worker.shared.outage.record_reply()
    assert look(worker, driver) == (True, "running", None)
