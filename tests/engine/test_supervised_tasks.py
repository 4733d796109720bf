"""An error of the database that does not pass by itself ends no background task of a worker for good.

Each function of each task meets one: while it lasts it is logged, afterwards the function works again.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from live_runner import wait_until
from run_driver import FAR, new_run
from runtimes import opened_worker, refused

from runner.db.runs.run_row import RunOptions
from runner.db.workers import fleet
from runner.engine.process import heartbeat, supervisor
from runner.engine.process.heartbeat import Heartbeat
from runner.engine.process.shared_clock import SharedClock
from runner.engine.storing.group_commit import GroupCommit
from runner.rules.states import JobState, RunState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from run_driver import RunDriver
    from runtimes import OpenedWorker

    from runner.db.session import Database


@pytest.fixture
def worker(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenedWorker]:
    """Open a worker whose heartbeats and restarts come quickly."""
    monkeypatch.setattr(heartbeat, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(supervisor, "DELAY_S_MAX", 0.2)
    with opened_worker(database, database_url, tmp_path) as opened:
        yield opened


def failures(caplog: pytest.LogCaptureFixture, name: str) -> int:
    return caplog.text.count(f'task.failed name="{name}"')


def wait_for_failures(caplog: pytest.LogCaptureFixture, name: str) -> None:
    """Wait until a task has failed twice more, so that it was started again in between."""
    before = failures(caplog, name)
    wait_until(lambda: failures(caplog, name) >= before + 2, f"{name} fails")


def events(hand: RunDriver, kind: str) -> list[str]:
    query = "SELECT cause FROM run_events WHERE run_id = :run AND kind = :kind"
    return [row.cause for row in hand.rows(query, run=hand.run_id, kind=kind)]


def state(hand: RunDriver) -> str:
    (row,) = hand.rows("SELECT state FROM runs WHERE id = :run", run=hand.run_id)
    return str(row.state)


def seen_at_ms(hand: RunDriver) -> int:
    (row,) = hand.rows("SELECT seen_at_ms FROM workers")
    return int(row.seen_at_ms)


def is_seen_since(hand: RunDriver, at_ms: int) -> bool:
    return seen_at_ms(hand) > at_ms


def refresh(worker: OpenedWorker) -> None:
    """Let the worker read the runs at work, as its loops do."""
    worker.read_runs()


def test_heartbeats(database: Database, worker: OpenedWorker, caplog: pytest.LogCaptureFixture) -> None:
    """The worker's row is renewed again."""
    hand = new_run(database, 1)
    with refused(database, "UPDATE ON workers", "NEW.seen_at_ms > 0"):
        wait_for_failures(caplog, "heartbeat")
        before_ms = seen_at_ms(hand)
    wait_until(lambda: seen_at_ms(hand) > before_ms, "a heartbeat is on record")
    assert failures(caplog, "run monitor") == 0


def test_a_clock_that_was_set_back_during_the_error(
    database: Database, worker: OpenedWorker, caplog: pytest.LogCaptureFixture
) -> None:
    """The heartbeat finds the jump once; the due times that it put far off are mended all the same."""
    hand, ahead_ms = new_run(database, 1), [7_200_000]
    waiting = hand.bring(JobState.WAITING)
    clock = SharedClock(lambda: database.now_ms() + ahead_ms[0])
    other = Heartbeat(
        group_commit=worker.runtime.group_commit,
        clock=clock,
        worker=worker.runtime.worker,
        jobs_in_flight=set,
        price_basis=worker.runtime.price_basis,
        drain=lambda: None,
    )
    with refused(database, "UPDATE ON jobs", "NEW.due_at_ms < OLD.due_at_ms"):
        worker.loop.call_soon_threadsafe(worker.stages.supervisor.start, "other heartbeat", other.run)
        ahead_ms[0] = 0
        wait_for_failures(caplog, "other heartbeat")
        assert hand.row(waiting.job_id).due_at_ms == 2 * FAR
    wait_until(lambda: hand.row(waiting.job_id).due_at_ms < 2 * FAR, "the job is due again")


def test_a_worker_that_is_to_drain_is_told_once(database: Database, worker: OpenedWorker) -> None:
    """By its next heartbeat; the ones after that do nothing more."""
    told: list[int] = []
    other = Heartbeat(
        group_commit=worker.runtime.group_commit,
        clock=worker.runtime.clock,
        worker=worker.runtime.worker,
        jobs_in_flight=set,
        price_basis=worker.runtime.price_basis,
        drain=lambda: told.append(1),
    )
    with database.write() as connection:
        fleet.drain(connection, [worker.runtime.worker], 1)
    worker.loop.call_soon_threadsafe(worker.stages.supervisor.start, "other heartbeat", other.run)
    wait_until(lambda: told and worker.drained.is_set(), "both heartbeats say so")
    hand = new_run(database, 1)
    for before_ms in (seen_at_ms(hand), seen_at_ms(hand) + 1, seen_at_ms(hand) + 2):
        wait_until(partial(is_seen_since, hand, before_ms), "another heartbeat is on record")

    assert told == [1]


def test_max_failures(database: Database, worker: OpenedWorker, caplog: pytest.LogCaptureFixture) -> None:
    """A run that fails too much is paused."""
    hand = new_run(database, 5, RunOptions(max_failures=2))
    for _ in range(2):
        hand.bring(JobState.FAILED)
    with refused(database, "UPDATE ON runs", "NEW.state = 'paused'"):
        refresh(worker)
        wait_for_failures(caplog, "run monitor")
        assert state(hand) == RunState.RUNNING
    wait_until(lambda: state(hand) == RunState.PAUSED, "the run is paused")
    assert len(events(hand, "paused")) == 1


def test_limits_on_record(database: Database, worker: OpenedWorker, caplog: pytest.LogCaptureFixture) -> None:
    """What was announced during the error is put on record once; of later ones, too."""
    hand = new_run(database, 1)
    refresh(worker)
    monitor = worker.shared.monitor
    with refused(database, "INSERT ON run_events", "NEW.kind = 'limits'"):
        worker.loop.call_soon_threadsafe(monitor.note_limits, "team:grok-4.3", 480, None)
        wait_for_failures(caplog, "run monitor")
        assert events(hand, "limits") == []
    wait_until(lambda: events(hand, "limits"), "the limits are on record")
    worker.loop.call_soon_threadsafe(monitor.note_limits, "team:grok-4.3", 600, None)
    wait_until(lambda: len(events(hand, "limits")) > 1, "the next ones are, too")
    assert events(hand, "limits") == ["grok-4.3: 480 requests a minute", "grok-4.3: 600 requests a minute"]


def test_the_warning_of_a_clock(
    database: Database, worker: OpenedWorker, caplog: pytest.LogCaptureFixture
) -> None:
    """Each run is warned once."""
    hand = new_run(database, 1)
    refresh(worker)
    with refused(database, "INSERT ON run_events", "NEW.kind = 'warning'"):
        worker.runtime.api.clock_skew_s = 3_600.0
        wait_for_failures(caplog, "run monitor")
        assert events(hand, "warning") == []
    wait_until(lambda: events(hand, "warning"), "the warning is on record")


def test_completion(database: Database, worker: OpenedWorker, caplog: pytest.LogCaptureFixture) -> None:
    """A run that cannot be completed keeps no other waiting, and is completed afterwards."""
    bad, good = new_run(database, 1), new_run(database, 1, identity="b")
    for hand in (bad, good):
        hand.bring(JobState.SUCCEEDED)
    with refused(database, "UPDATE ON runs", f"NEW.id = {bad.run_id} AND NEW.finished_at_ms > 0"):
        for hand in (bad, good):
            worker.loop.call_soon_threadsafe(worker.shared.monitor.note_ended, hand.run_id)
        wait_for_failures(caplog, "run monitor")
        wait_until(lambda: state(good) == RunState.FINISHED, "the good run is complete")
        assert state(bad) == RunState.RUNNING
    wait_until(lambda: state(bad) == RunState.FINISHED, "the bad run is complete")
    assert failures(caplog, "heartbeat") == 0


def test_a_long_run_is_completed_when_no_answer_is_due(
    database: Database, worker: OpenedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then its end is not looked for after each job; what is known of it may be of before its last."""
    monkeypatch.setattr("runner.engine.runs.active_runs.LONG_RUN_JOBS", 1)
    monitor, wakeups = worker.shared.monitor, worker.shared.wakeups
    hand = new_run(database, 3)
    worker.read_runs()
    for _ in range(3):
        hand.bring(JobState.SUCCEEDED)
    wakeups.next_due_ms = FAR
    worker.loop.call_soon_threadsafe(monitor.note_ended, hand.run_id)

    worker.run(monitor.look())
    assert state(hand) == RunState.RUNNING

    wakeups.next_due_ms = None
    wait_until(lambda: state(hand) == RunState.FINISHED, "the run is complete")


@contextmanager
def unreplied_post(worker: OpenedWorker) -> Iterator[threading.Event]:
    """Let a POST of job 7 be in flight until the event is set, or the block ends."""
    replied = threading.Event()

    async def post() -> None:
        await asyncio.get_running_loop().run_in_executor(None, replied.wait)

    async def begin() -> None:
        worker.shared.in_flight.start("post", 7, post())

    worker.run(begin())
    try:
        yield replied
    finally:
        replied.set()


def test_a_worker_without_its_group_commit_is_stuck(worker: OpenedWorker) -> None:
    """Nothing would be written any more; while it stops by itself, that is no fault."""
    group_commit = worker.runtime.group_commit
    assert worker.stages.stuck() is None
    group_commit.close()
    assert worker.stages.stuck() == "the thread of the group commit has ended"
    worker.shared.wakeups.is_stopping = True
    assert worker.stages.stuck() is None
    returned = threading.Event()
    with unreplied_post(worker):

        def finish() -> None:
            worker.stages.finish_in_flight(3600)
            returned.set()

        threading.Thread(target=finish, daemon=True).start()
        assert returned.wait(60), "no outcome could be written"
    again = GroupCommit(worker.runtime.database, worker.loop, shard=worker.runtime.worker)
    worker.stages.runtime = replace(worker.runtime, group_commit=again)  # to be closed


def test_a_worker_that_has_to_end_waits_for_its_replies(worker: OpenedWorker) -> None:
    """Its request would have an unknown outcome otherwise; the wait has an end."""
    with unreplied_post(worker) as replied:
        worker.stages.finish_in_flight(0.05)
        assert worker.shared.in_flight.job_ids() == {7}
        assert worker.shared.wakeups.is_stopping

        threading.Timer(0.05, replied.set).start()
        worker.stages.finish_in_flight(60)
        assert not worker.shared.in_flight.job_ids()


def test_a_worker_whose_loop_stands_still_ends_at_once(
    worker: OpenedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No reply can come there."""
    monkeypatch.setattr("runner.engine.stages.LOOP_ANSWERS_S", 0.05)
    blocked, returned = threading.Event(), threading.Event()

    def finish() -> None:
        worker.stages.finish_in_flight(3600)
        returned.set()

    worker.loop.call_soon_threadsafe(blocked.wait)
    threading.Thread(target=finish, daemon=True).start()
    assert returned.wait(60)
    blocked.set()
