"""The sweep: leases that ran out, answers that nobody judged, runs that are done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from run_driver import LEASE_MS, NOW_MS, new_run, received, settled
from runtimes import opened_worker
from sqlalchemy import text

from runner.db.counts.counters import Deltas
from runner.db.moves import outcomes, result_moves
from runner.db.runs import runs
from runner.db.runs.run_row import RunOptions
from runner.db.workers import workers
from runner.engine.collecting import settle
from runner.engine.process.heartbeat import Heartbeat
from runner.engine.process.shared_clock import STEADY_AFTER_MS, SharedClock
from runner.engine.reaper import Reaper, complete_runs, settle_stored
from runner.engine.recovery import dead_workers
from runner.engine.recovery.expired_leases import reclaim_of_dead_workers
from runner.rules.sending.retry import AUTOMATIC_EXTRAS_MAX
from runner.rules.states import Event, JobState, RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from run_driver import RunDriver
    from runtimes import OpenedWorker

    from runner.db.session import Database
    from runner.engine.storing.spool import OrphanedSpool

S = JobState
GOOD = orjson.dumps({"model": "grok-4.3", "choices": [{"message": {"content": "yes"}}]})


@pytest.fixture
def worker(database: Database, database_url: str, tmp_path: Path) -> Iterator[OpenedWorker]:
    """Open a worker without its background tasks: its own heartbeat would reclaim what a test expires."""
    with opened_worker(database, database_url, tmp_path) as opened:
        opened.run(opened.stages.supervisor.close())
        yield opened


def test_expired_leases_are_taken_back(database: Database) -> None:
    """What was being sent is in doubt and counted, what was being fetched is asked for again."""
    driver = new_run(database, 3)
    fetched, sent = driver.bring(S.COLLECTING), driver.bring(S.SUBMITTING)
    fresh = driver.bring(S.SUBMITTING)
    driver.change(fresh.job_id, f"lease_until_ms = {NOW_MS + LEASE_MS * 2}")

    reclaim_of_dead_workers(database, NOW_MS + LEASE_MS - 1)
    assert driver.count("extra", "ambiguous") == 0
    reclaim_of_dead_workers(database, NOW_MS + LEASE_MS)
    reclaim_of_dead_workers(database, NOW_MS + LEASE_MS)

    states = [driver.state(lease.job_id) for lease in (fetched, sent, fresh)]
    assert states == [S.WAITING, S.PENDING, S.SUBMITTING]
    assert driver.count("extra", "ambiguous") == 1
    assert driver.count("ticks", "possible_extra") > 0


def stored(driver: RunDriver, body: bytes) -> int:
    lease = driver.bring(S.COLLECTING)
    driver.apply(result_moves.stored, received(lease.job_id, lease.attempt, body))
    return lease.job_id


def test_stored_answers_are_judged(database: Database, worker: OpenedWorker) -> None:
    """A judge that died between storing and settling leaves work for the sweep, done once."""
    driver = new_run(database, 2)
    good, bad = stored(driver, GOOD), stored(driver, b"not json")

    settle_stored(database)
    settle_stored(database)

    assert (driver.state(good), driver.state(bad)) == (S.SUCCEEDED, S.PENDING)
    assert driver.count("attempts", "collected") == 2


def test_an_answer_that_ends_its_judge_is_tried_three_times(
    database: Database,
    worker: OpenedWorker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Then it has failed, with its bytes kept; its neighbours are judged at the first time."""
    driver = new_run(database, 2)
    poison, good = stored(driver, b"poison"), stored(driver, GOOD)
    judge = settle.settle

    def dying(subject: settle.StoredAnswer, body: bytes, **rest: object) -> object:
        if body == b"poison":
            raise MemoryError
        return judge(subject, body, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(settle, "settle", dying)
    settle_stored(database)
    assert driver.state(good) is S.SUCCEEDED
    for _ in range(2):
        settle_stored(database)
        assert driver.state(poison) is S.STORED
    settle_stored(database)

    row = driver.row(poison)
    assert (row.state, row.error_code) == (S.FAILED, "unreadable_result")
    assert driver.rows("SELECT COUNT(*) FROM results")[0][0] == 2


def test_a_verdict_that_cannot_be_written_does_not_stop_the_others(
    database: Database, worker: OpenedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the database refuses counts as a try, too."""
    driver = new_run(database, 2)
    poison, good = stored(driver, b"poison"), stored(driver, GOOD)
    write = result_moves.settled

    def refusing(connection: object, rows: list[outcomes.Settled], deltas: object) -> set[int]:
        if rows[0].job_id == poison and rows[0].target is not S.FAILED:
            raise ValueError("refused")
        return write(connection, rows, deltas)  # type: ignore[arg-type]

    monkeypatch.setattr(result_moves, "settled", refusing)
    for _ in range(4):
        settle_stored(database)

    assert (driver.state(good), driver.state(poison)) == (S.SUCCEEDED, S.FAILED)


def test_tries_of_one_attempt_do_not_count_against_the_next(database: Database, worker: OpenedWorker) -> None:
    """A job that goes again starts with three tries."""
    driver = new_run(database, 1)
    job = stored(driver, b"bad")
    driver.change(job, "settle_tries = 3")
    driver.apply(result_moves.settled, settled(job, 1, Event.UNUSABLE, S.PENDING))
    assert stored(driver, GOOD) == job

    settle_stored(database)

    assert driver.state(job) is S.SUCCEEDED


def test_runs_that_are_done_are_finished(database: Database) -> None:
    """Those that are not are told; a run whose first jobs were all it was to start is paused."""
    done, moving = new_run(database, 1), new_run(database, 1, identity="b")
    limited = new_run(database, 3, RunOptions(limit=1), identity="c")
    for driver in (done, limited):
        driver.bring(S.SUCCEEDED)

    assert complete_runs(database, NOW_MS) == [moving.run_id, limited.run_id]

    with database.read() as connection:
        states = {run.id: run.state for run in runs.all_runs(connection)}
    assert states == {
        done.run_id: RunState.FINISHED,
        moving.run_id: RunState.RUNNING,
        limited.run_id: RunState.PAUSED,
    }


def test_a_sweep_does_all_of_it(database: Database, worker: OpenedWorker) -> None:
    """Expired leases, stored answers, and the end of what is done; leases only with a steady clock."""
    driver = new_run(database, 2)
    job, sent = stored(driver, GOOD), driver.bring(S.SUBMITTING)
    driver.change(sent.job_id, "lease_until_ms = 0")

    def reap(elapsed_ms: int) -> list[int]:
        return Reaper(
            database=database,
            spool_dir=worker.runtime.settings.spool_dir,
            host=worker.runtime.host,
            clock=SharedClock(database.now_ms, ticks(0, 0, elapsed_ms)),
            price_basis=worker.runtime.price_basis,
        ).reap()

    assert reap(STEADY_AFTER_MS - 1) == [driver.run_id]
    assert (driver.state(job), driver.state(sent.job_id)) == (S.SUCCEEDED, S.SUBMITTING)

    assert reap(STEADY_AFTER_MS) == [driver.run_id]
    assert driver.state(sent.job_id) is S.PENDING


def test_a_step_that_fails_does_not_stop_the_others(
    database: Database, worker: OpenedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead worker whose spool cannot be imported; its error is raised at the end."""
    done = new_run(database, 1)
    answered = new_run(database, 1, identity="b")
    done.bring(S.SUCCEEDED)
    job = stored(answered, GOOD)
    with database.write() as connection:
        dead = [
            workers.register(connection, host=worker.runtime.host, node=f"d{n}", pid=n, now_ms=NOW_MS)
            for n in (1, 2)
        ]
    recover = dead_workers._recover_worker

    def refusing(database: Database, spool: OrphanedSpool, *rest: Any) -> Any:
        if spool.worker == dead[0]:
            raise ValueError("this spool cannot be read")
        return recover(database, spool, *rest)

    monkeypatch.setattr(dead_workers, "_recover_worker", refusing)
    with pytest.raises(ValueError, match="this spool"):
        worker.stages.reaper.reap()

    assert answered.state(job) is S.SUCCEEDED
    with database.read() as connection:
        assert {run.state for run in runs.all_runs(connection)} == {RunState.FINISHED}
        assert dead[0] in workers.without_end(connection, worker.runtime.host)
        assert dead[1] not in workers.without_end(connection, worker.runtime.host)


def ticks(*values: int) -> Callable[[], int]:
    """Give a clock that says these values, the last one for ever."""
    left = list(values)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_a_worker_that_lives_keeps_its_leases(database: Database) -> None:
    """Whatever the clock says: it looks after what it holds itself."""
    driver = new_run(database, 1)
    sent = driver.bring(S.SUBMITTING)
    late_ms = NOW_MS + 10 * LEASE_MS
    with database.write() as connection:
        mine = workers.register(connection, host="h", node="w1", pid=1, now_ms=NOW_MS)
        workers.record_heartbeat(connection, mine, late_ms)
    driver.change(sent.job_id, f"lease_owner = {mine}")

    reclaim_of_dead_workers(database, late_ms + workers.ALIVE_MS)
    assert driver.state(sent.job_id) is S.SUBMITTING
    reclaim_of_dead_workers(database, late_ms + workers.ALIVE_MS + 1)
    assert driver.state(sent.job_id) is S.PENDING


def heartbeat_of(
    worker: OpenedWorker, clock: SharedClock, drain: Callable[[], None] = lambda: None
) -> Heartbeat:
    return Heartbeat(
        group_commit=worker.runtime.group_commit,
        clock=clock,
        worker=worker.runtime.worker,
        jobs_in_flight=set,
        price_basis=worker.runtime.price_basis,
        drain=drain,
    )


def test_a_worker_reclaims_its_own_expired_leases(database: Database, worker: OpenedWorker) -> None:
    """A job that it is working on stays, whatever its lease says; the worker's row is renewed."""
    driver = new_run(database, 3)
    lost, held = driver.bring(S.SUBMITTING), driver.bring(S.SUBMITTING)
    others = driver.bring(S.COLLECTING)
    for lease in (lost, held):
        driver.change(lease.job_id, f"lease_owner = {worker.runtime.worker}, lease_until_ms = 0")
    heartbeat = heartbeat_of(worker, SharedClock(database.now_ms, ticks(0, 0, STEADY_AFTER_MS)))
    with database.write() as connection:
        connection.execute(text("UPDATE workers SET seen_at_ms = 0"))
        deltas = Deltas(0)
        heartbeat.renew(connection)
        heartbeat.reclaim_expired(connection, deltas, {held.job_id}, was_set_back=False)
        deltas.write(connection)

    assert [driver.state(one.job_id) for one in (lost, held, others)] == [
        S.PENDING,
        S.SUBMITTING,
        S.COLLECTING,
    ]
    (seen,) = driver.rows("SELECT seen_at_ms FROM workers")
    assert seen.seen_at_ms > 0


def test_a_clock_that_jumped_expires_no_lease(database: Database, worker: OpenedWorker) -> None:
    """For a while after a jump it says nothing about leases; then it does again."""
    driver = new_run(database, 1)
    sent = driver.bring(S.SUBMITTING)
    driver.change(sent.job_id, f"lease_owner = {worker.runtime.worker}, lease_until_ms = 0")
    states = []
    for elapsed_ms in (STEADY_AFTER_MS - 1, STEADY_AFTER_MS):
        heartbeat = heartbeat_of(worker, SharedClock(database.now_ms, ticks(0, 0, elapsed_ms)))
        with database.write() as connection:
            deltas = Deltas(0)
            heartbeat.reclaim_expired(connection, deltas, set(), was_set_back=False)
            deltas.write(connection)
        states.append(driver.state(sent.job_id))
    assert states == [S.SUBMITTING, S.PENDING]


def test_a_clock_set_back_makes_nobody_wait(database: Database, worker: OpenedWorker) -> None:
    """What was to wait until a time that is now far off is due at once."""
    driver = new_run(database, 2)
    waiting = driver.bring(S.WAITING)
    later_ms = worker.now_ms() + 7_200_000
    driver.change(waiting.job_id, f"due_at_ms = {later_ms}")
    heartbeat = heartbeat_of(worker, worker.runtime.clock)
    for was_set_back in (False, True):
        with database.write() as connection:
            heartbeat.reclaim_expired(connection, Deltas(0), set(), was_set_back=was_set_back)
        (row,) = driver.rows(f"SELECT due_at_ms FROM jobs WHERE id = {waiting.job_id}")
        assert (row.due_at_ms <= worker.now_ms()) is was_set_back


@pytest.mark.parametrize("extras", [0, AUTOMATIC_EXTRAS_MAX])
@pytest.mark.parametrize("is_over", [False, True])
def test_stored_answers_are_settled_by_the_rules_of_their_run(
    database: Database, *, is_over: bool, extras: int
) -> None:
    """Also by a worker that has not read the run; a run that is over buys nothing again and holds nothing."""
    driver = new_run(database, 1, RunOptions(max_attempts=5 if is_over else 1))
    job = stored(driver, b"not json")
    driver.change(job, f"extras = {extras}")
    if is_over:
        with database.write() as connection:
            connection.exec_driver_sql("UPDATE runs SET state = 'finished', finished_at_ms = 1")

    settle_stored(database)

    assert driver.state(job) is S.FAILED
