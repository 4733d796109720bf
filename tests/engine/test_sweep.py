"""The sweep: leases that ran out, answers that nobody judged, runs that are done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
from by_hand import LEASE_MS, NOW_MS, new_run, received, settled
from sqlalchemy import text

from runner import settings
from runner.db import jobs, outcomes, runs
from runner.db.runs import RunOptions
from runner.engine import settle
from runner.engine.station import Station
from runner.engine.sweep import expired_leases, finish, settle_stored, sweep
from runner.rules.states import Event, JobState, RunState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from by_hand import Hand

    from runner.db.session import Database

S = JobState
GOOD = orjson.dumps({"model": "grok-4.3", "choices": [{"message": {"content": "yes"}}]})


@pytest.fixture
def station(database: Database, database_url: str, tmp_path: Path) -> Iterator[Station]:
    """Open a real station on the test's database; no Redis is there, and none is needed."""
    env = {
        "RUNNER_HOME": str(tmp_path / "home"),
        "RUNNER_DATABASE_URL": database_url,
        "RUNNER_REDIS_URL": f"unix://{tmp_path}/none.sock",
        "XAI_API_KEY": "xai-some-key",
    }
    if database.is_sqlite:  # the state folder's own
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "runner.db").symlink_to(tmp_path / "runner.db")
        del env["RUNNER_DATABASE_URL"], env["RUNNER_REDIS_URL"]
    opened = Station(settings.load(env, tmp_path), "w1")
    yield opened
    opened.close(1.0)
    opened.loop.close()


def test_expired_leases_are_taken_back(database: Database) -> None:
    """What was being sent is in doubt and counted, what was being fetched is asked for again."""
    hand = new_run(database, 3)
    fetched, sent = hand.bring(S.COLLECTING), hand.bring(S.SUBMITTING)
    fresh = hand.bring(S.SUBMITTING)
    hand.change(fresh.job_id, f"lease_until_ms = {NOW_MS + LEASE_MS * 2}")

    expired_leases(database, NOW_MS + LEASE_MS - 1)
    assert hand.count("extra", "ambiguous") == 0
    expired_leases(database, NOW_MS + LEASE_MS)
    expired_leases(database, NOW_MS + LEASE_MS)

    states = [hand.state(lease.job_id) for lease in (fetched, sent, fresh)]
    assert states == [S.WAITING, S.PENDING, S.SUBMITTING]
    assert hand.count("extra", "ambiguous") == 1
    assert hand.count("ticks", "possible_extra") > 0


def stored(hand: Hand, body: bytes) -> int:
    lease = hand.bring(S.COLLECTING)
    hand.do(jobs.stored, received(lease.job_id, lease.attempt, body))
    return lease.job_id


def test_stored_answers_are_judged(database: Database, station: Station) -> None:
    """A judge that died between storing and settling leaves work for the sweep, done once."""
    hand = new_run(database, 2)
    good, bad = stored(hand, GOOD), stored(hand, b"not json")

    settle_stored(station)
    settle_stored(station)

    assert (hand.state(good), hand.state(bad)) == (S.SUCCEEDED, S.PENDING)
    assert hand.count("attempts", "collected") == 2


def test_an_answer_that_ends_its_judge_is_tried_three_times(
    database: Database, station: Station, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Then it has failed, with its bytes kept; its neighbours are judged at the first time."""
    hand = new_run(database, 2)
    poison, good = stored(hand, b"poison"), stored(hand, GOOD)
    judge = settle.settle

    def dying(subject: settle.Subject, body: bytes, **rest: object) -> object:
        if body == b"poison":
            raise MemoryError
        return judge(subject, body, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(settle, "settle", dying)
    settle_stored(station)
    assert hand.state(good) is S.SUCCEEDED
    for _ in range(2):
        settle_stored(station)
        assert hand.state(poison) is S.STORED
    settle_stored(station)

    row = hand.row(poison)
    assert (row.state, row.error_code) == (S.FAILED, "unreadable_result")
    assert hand.rows("SELECT COUNT(*) FROM results")[0][0] == 2


def test_a_verdict_that_cannot_be_written_does_not_stop_the_others(
    database: Database, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the database refuses counts as a try, too."""
    hand = new_run(database, 2)
    poison, good = stored(hand, b"poison"), stored(hand, GOOD)
    write = jobs.settled

    def refusing(connection: object, rows: list[outcomes.Settled], deltas: object) -> set[int]:
        if rows[0].job_id == poison and rows[0].target is not S.FAILED:
            raise ValueError("refused")
        return write(connection, rows, deltas)  # type: ignore[arg-type]

    monkeypatch.setattr(jobs, "settled", refusing)
    for _ in range(4):
        settle_stored(station)

    assert (hand.state(good), hand.state(poison)) == (S.SUCCEEDED, S.FAILED)


def test_tries_of_one_attempt_do_not_count_against_the_next(database: Database, station: Station) -> None:
    """A job that goes again starts with three tries."""
    hand = new_run(database, 1)
    job = stored(hand, b"bad")
    hand.change(job, "settle_tries = 3")
    hand.do(jobs.settled, settled(job, 1, Event.UNUSABLE, S.PENDING))
    assert stored(hand, GOOD) == job

    settle_stored(station)

    assert hand.state(job) is S.SUCCEEDED


def test_runs_that_are_done_are_finished(database: Database) -> None:
    """Those that are not are told; a run whose first jobs were all it was to start is paused."""
    done, moving = new_run(database, 1), new_run(database, 1, identity="b")
    limited = new_run(database, 3, RunOptions(limit=1), identity="c")
    for hand in (done, limited):
        hand.bring(S.SUCCEEDED)

    assert finish(database, NOW_MS) == [moving.run_id, limited.run_id]

    with database.read() as connection:
        states = {run.id: run.state for run in runs.all_runs(connection)}
    assert states == {
        done.run_id: RunState.FINISHED,
        moving.run_id: RunState.RUNNING,
        limited.run_id: RunState.PAUSED,
    }


def test_a_sweep_does_all_of_it(database: Database, station: Station) -> None:
    """A sign of life, expired leases, stored answers, and the end of what is done."""
    hand = new_run(database, 1)
    job = stored(hand, GOOD)
    with database.write() as connection:
        connection.execute(text("UPDATE workers SET seen_at_ms = 0"))

    assert sweep(station) == []

    assert hand.state(job) is S.SUCCEEDED
    (worker,) = hand.rows("SELECT seen_at_ms FROM workers")
    assert worker.seen_at_ms > 0
