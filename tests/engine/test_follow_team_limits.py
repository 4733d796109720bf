"""Workers bring what the database has for the team to Redis, and keep it there."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest
from live_runner import wait_until
from redis import Redis
from runtimes import opened_worker
from sqlalchemy.exc import DBAPIError

from runner.db import stored_team_limits as stored
from runner.db.events import event_log
from runner.engine.limits import follow_team_limits
from runner.limiter.limits import RateLimits
from runner.limiter.store import EPOCH_KEY, LimiterUnavailable
from runner.limiter.team_names import KEY as TEAMS_KEY
from runner.rules.secret import Secret
from runner.rules.sending.team_limits import TeamLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runtimes import OpenedWorker
    from valkey_server import ValkeyServer

    from runner.db.session import Database

KEY: Final = Secret("xai-some-key").fingerprint
TEAM: Final = "{runner}:team:team-7"
TABLE: Final = RateLimits(rpm=120, tpm=200_000)


class Fleet:
    """Workers of several hosts, with one database and one Redis that knows the name of the team."""

    def __init__(
        self, database: Database, redis: Redis, open_worker: Callable[[str, str], OpenedWorker]
    ) -> None:
        self.database, self.redis = database, redis
        self._open_worker = open_worker

    def start(self, host: str = "a", rpm: str = "") -> OpenedWorker:
        """Start a worker on a host with this setting."""
        worker = self._open_worker(host, rpm)
        assert worker.run(worker.shared.team.resolve()) is None
        return worker

    def set_limits(self, rpm: int | None) -> None:
        """Set them in the database alone, as a command that was killed after its commit."""
        with self.database.write() as connection:
            stored.lock(connection)
            stored.change(connection, KEY, TeamLimits(rpm=rpm), self.database.now_ms())

    def rpm(self) -> int | None:
        """Return the limit in Redis."""
        found = self.redis.hget(TEAM, "rpm")
        return int(found) if isinstance(found, bytes) else None

    def wait_for(self, rpm: int | None, *workers: OpenedWorker) -> None:
        """Let workers read what is at work until Redis has a limit."""

        def is_there() -> bool:
            for worker in workers:
                worker.read_runs()
            return self.rpm() == rpm

        wait_until(is_there, f"Redis has {rpm}")


@pytest.fixture
def fleet(database: Database, database_url: str, tmp_path: Path, server: ValkeyServer) -> Iterator[Fleet]:
    with Redis.from_url(server.url) as redis, ExitStack() as stack:
        redis.flushall()
        redis.hset(TEAMS_KEY, KEY, "team-7")

        def open_worker(host: str, rpm: str) -> OpenedWorker:
            settings = {"RUNNER_TEAM_RPM": rpm, "RUNNER_TEAM_TPM": "", "RUNNER_REDIS_URL": server.url}
            return stack.enter_context(opened_worker(database, database_url, tmp_path / host, **settings))

        yield Fleet(database, redis, open_worker)


def in_force(worker: OpenedWorker) -> int | None:
    """Return the requests a minute that a model may have, as the next slot sees them."""
    limiter = worker.shared.limiter
    worker.run(limiter.reserve("team-7:grok-4.3", [1], TABLE))
    return limiter._bucket("team-7:grok-4.3").in_force.rpm


def test_the_newest_word_holds(fleet: Fleet) -> None:
    """A worker with the settings of before does not undo what was said since; changed settings do."""
    first = fleet.start(rpm="600")
    assert fleet.rpm() == 600
    fleet.set_limits(300)
    fleet.wait_for(300, first)
    fleet.start(rpm="600")
    fleet.start("b", rpm="600")
    fleet.start("c")
    assert fleet.rpm() == 300
    fleet.start(rpm="900")
    assert fleet.rpm() == 900
    fleet.set_limits(480)
    fleet.wait_for(480, first)
    fleet.set_limits(None)
    fleet.wait_for(None, first)
    fleet.start(rpm="900")
    assert fleet.rpm() is None


def test_changed_settings_leave_one_event_of_their_host(fleet: Fleet) -> None:
    """Unchanged ones leave none; nor do those that change no limit, as the same on another host."""
    first = fleet.start(rpm="600")
    fleet.start(rpm="600")
    fleet.start("c")
    other = fleet.start("b", rpm="600")
    fleet.start("b", rpm="900")
    fleet.start("b")
    with fleet.database.read() as connection:
        found = event_log.newest(connection, event_log.OPERATORS, event_log.EventFilter(), 10)
    assert [(event.kind, event.old, event.new) for event in found] == [
        ("team_limits", {"rpm": None}, {"rpm": 600}),
        ("team_limits", {"rpm": 600}, {"rpm": 900}),
        ("team_limits", {"rpm": 900}, {"rpm": 600}),
    ]
    assert [event.actor and event.actor.host for event in found] == [
        worker.runtime.host for worker in (first, other, other)
    ]
    assert {event.cause for event in found} == {"a worker started with changed settings"}


def test_limits_that_were_set_before_the_first_start_hold_from_it_on(fleet: Fleet) -> None:
    """Also for a worker whose settings say nothing, on a Redis whose logs are whole."""
    fleet.redis.set(EPOCH_KEY, "of another worker")
    fleet.set_limits(300)
    assert in_force(fleet.start()) == 300


def test_an_emptied_redis_has_what_a_person_set_from_the_first_slot_on(fleet: Fleet) -> None:
    """By whichever worker it is rebuilt, and also what was changed while it was empty."""
    workers = [fleet.start("a", rpm="600"), fleet.start("b", rpm="600")]
    fleet.set_limits(300)
    fleet.wait_for(300, *workers)
    for worker in workers:
        fleet.redis.flushall()
        assert in_force(worker) == 300
    fleet.redis.flushall()
    fleet.set_limits(200)
    assert [in_force(worker) for worker in workers] == [200, 200]


def test_a_late_worker_does_not_bring_back_what_was_before(fleet: Fleet) -> None:
    """It hands over what it read before another one handed over what is newer."""
    late, fast = fleet.start("a"), fleet.start("b")
    fleet.set_limits(300)
    with fleet.database.read() as connection:
        old = late.shared.team._limits.read(connection)
    fleet.set_limits(200)
    fleet.wait_for(200, fast)
    late.shared.team._limits._version = -1
    late.loop.call_soon_threadsafe(late.shared.team._limits.follow, old)
    wait_until(lambda: late.shared.team._limits._version == old.version, "it was handed over")
    assert fleet.rpm() == 200


def test_what_was_changed_in_redis_is_mended(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a worker of an older version, or by a replica that had not the last writes."""
    monkeypatch.setattr(follow_team_limits, "AGAIN_S", 0.0)
    worker = fleet.start(rpm="600")
    fleet.redis.hset(TEAM, "rpm", 5)
    fleet.wait_for(600, worker)
    fleet.redis.delete(TEAM)
    fleet.wait_for(600, worker)


def test_unchanged_limits_are_not_handed_over_each_time(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers read them every 0.3 s."""
    monkeypatch.setattr(follow_team_limits, "AGAIN_S", 1e9)
    worker = fleet.start(rpm="600")
    fleet.redis.hset(TEAM, "rpm", 5)
    for _ in range(5):
        worker.read_runs()
    assert worker.shared.team._limits._task is None
    assert fleet.rpm() == 5


def test_the_name_is_taken_when_redis_has_the_limits(fleet: Fleet) -> None:
    """Where the database does not have them, nothing is sent; the next try may find it back."""
    with fleet.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE team_limits RENAME TO limits_gone")
    with pytest.raises(DBAPIError):
        fleet.start()
    with fleet.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE limits_gone RENAME TO team_limits")
    worker = fleet.start(rpm="600")
    assert worker.shared.team.name == "team-7"


def test_a_redis_that_is_away_keeps_no_one_from_reading(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """The runs at work are read all the same; the next read tries again."""
    with opened_worker(database, database_url, tmp_path) as worker:
        worker.set_team("team-7")
        worker.shared.team._limits.team = "team-7"
        assert worker.read_runs() == []
        wait_until(lambda: worker.shared.team._limits._task is None, "Redis was tried")
        assert worker.read_runs() == []


def test_an_emptied_redis_needs_the_database(fleet: Fleet) -> None:
    """It is named as what is missing, and not as a Redis that does not answer."""
    worker = fleet.start()
    with fleet.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE team_limits RENAME TO team_limits_gone")
    with pytest.raises(LimiterUnavailable, match="cannot be filled again without the database"):
        worker.run(worker.shared.team._limits.read_now())
    with fleet.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE team_limits_gone RENAME TO team_limits")
