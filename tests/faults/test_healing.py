"""It heals: whatever happens to Redis and to the database, work goes on within a minute, with no hand.

On shared servers and, where both apply, with the embedded ones.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from hosts import Host
from live import NO_LIMITS, Home, Simulator, wait_until, write_jobs
from proxy import Proxy
from redis import Redis
from servers import Postgres, RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

JOBS = 200
AWAY_S = 4.0  # not for luck: so long the trouble lasts
LOCK_S = 30.0
HEALS_WITHIN_S = 60.0
RUN = ("run", "jobs.jsonl", "-o", "out.jsonl", "--rpm", "1200", "--tpm", "none")
TIMES = {"RUNNER_READ_TIMEOUT_S": "5", "RUNNER_CONNECT_TIMEOUT_S": "2", "RUNNER_LEASE_S": "20"}
pytestmark = pytest.mark.timeout(300)


class World:
    """Servers of one's own, a worker on another host, a proxy before Redis."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.postgres = stack.enter_context(
            Postgres("max_connections=30", "superuser_reserved_connections=0")
        )
        self.redis = stack.enter_context(RedisServer())
        self.proxy = stack.enter_context(Proxy(self.redis.port))
        self.simulator = stack.enter_context(Simulator(folder, *NO_LIMITS, "--median-s", "0.5"))
        redis_url = f"redis://127.0.0.1:{self.proxy.port}/0"
        self.host = stack.enter_context(
            Host(folder / "a", self.simulator, self.postgres.url, redis_url, **TIMES)
        )


@contextmanager
def emptied(redis: Redis) -> Iterator[None]:
    redis.flushall()
    yield


@contextmanager
def out_of_memory(redis: Redis) -> Iterator[None]:
    redis.set("ballast", b"x" * 3_000_000)
    redis.config_set("maxmemory", "1mb")
    yield
    redis.config_set("maxmemory", "0")
    redis.delete("ballast")


@contextmanager
def read_only(redis: Redis) -> Iterator[None]:
    redis.replicaof("127.0.0.1", "1")
    yield
    redis.replicaof("NO", "ONE")


def of_redis(fault: Callable[[Redis], contextlib.AbstractContextManager[None]]) -> Trouble:
    @contextmanager
    def trouble(world: World) -> Iterator[None]:
        with world.redis.client() as client, fault(client):
            yield
            time.sleep(AWAY_S)

    return trouble


@contextmanager
def redis_restarted(world: World) -> Iterator[None]:
    world.redis.kill()
    yield
    time.sleep(AWAY_S)
    world.redis.start()


@contextmanager
def connections_to_redis_broken(world: World) -> Iterator[None]:
    """A path that lets nothing through and ends nothing; later ones are well."""
    world.proxy.be("silent")
    yield
    time.sleep(AWAY_S)
    world.proxy.be("pass")


@contextmanager
def postgres_restarted(world: World) -> Iterator[None]:
    world.postgres.stop("immediate")
    yield
    time.sleep(AWAY_S)
    world.postgres.start()


@contextmanager
def backends_killed(world: World) -> Iterator[None]:
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = 'fleet' AND pid <> pg_backend_pid()"
    )
    yield
    until = time.monotonic() + AWAY_S
    while time.monotonic() < until:
        world.postgres.say(kill)
        time.sleep(0.3)


@contextmanager
def connections_exhausted(world: World) -> Iterator[None]:
    with ExitStack() as stack:
        until = time.monotonic() + AWAY_S
        first = stack.enter_context(world.postgres.connect())
        while time.monotonic() < until:
            with contextlib.suppress(psycopg.OperationalError):
                first.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = 'fleet' AND application_name <> 'greedy' AND pid <> pg_backend_pid()"
                )
                while True:
                    one = stack.enter_context(world.postgres.connect())
                    one.execute("SET application_name = 'greedy'")
            time.sleep(0.05)
        yield


@contextmanager
def table_locked(world: World) -> Iterator[None]:
    with world.postgres.connect() as connection, connection.transaction():
        connection.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        yield
        time.sleep(LOCK_S)


if TYPE_CHECKING:
    Trouble = Callable[[World], contextlib.AbstractContextManager[None]]
TROUBLES = {
    "redis-emptied": of_redis(emptied),
    "redis-out-of-memory": of_redis(out_of_memory),
    "redis-read-only": of_redis(read_only),
    "redis-restarted-empty": redis_restarted,
    "redis-connections-broken": connections_to_redis_broken,
    "postgres-restarted-immediate": postgres_restarted,
    "postgres-backends-killed": backends_killed,
    "postgres-connections-exhausted": connections_exhausted,
    "postgres-locked-for-30-s": table_locked,
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_shared_servers_come_back_and_work_goes_on(trouble: Trouble, tmp_path: Path) -> None:
    """The command stays, nothing is lost, and no more than what was in flight is paid twice."""
    with ExitStack() as stack:
        world = World(tmp_path, stack)
        host = world.host
        write_jobs(host.folder / "jobs.jsonl", JOBS)
        assert host.start("db", "upgrade").ended() == 0
        host.worker("--beat")
        command = host.start(*RUN)
        host.reach(40, command)
        with trouble(world):
            pass
        goes_on(host, world.simulator)

        assert command.ended(120) == 0, command.said
        assert host.findings(world.simulator, crashed=True) == []
        assert world.simulator.books()["accepted"] <= JOBS + 8


def goes_on(home: Home, simulator: Simulator) -> None:
    """Wait until the API sees new work, within a minute of the recovery."""
    seen = simulator.books()["accepted"]
    wait_until(lambda: simulator.books()["accepted"] > seen, "work goes on", HEALS_WITHIN_S)


@contextmanager
def database_locked(home: Home) -> Iterator[None]:
    """Another program holds the write lock, longer than SQLite waits for it."""
    with contextlib.closing(sqlite3.connect(home.database, isolation_level=None, timeout=60)) as base:
        base.execute("BEGIN IMMEDIATE")
        yield
        time.sleep(LOCK_S + 2)
        base.execute("ROLLBACK")


def of_valkey(
    fault: Callable[[Redis], contextlib.AbstractContextManager[None]],
) -> Callable[[Home], contextlib.AbstractContextManager[None]]:
    @contextmanager
    def trouble(home: Home) -> Iterator[None]:
        with Redis.from_url(f"unix://{home.path}/valkey.sock") as client, fault(client):
            yield
            time.sleep(AWAY_S)

    return trouble


EMBEDDED = {
    "valkey-emptied": of_valkey(emptied),
    "valkey-out-of-memory": of_valkey(out_of_memory),
    "valkey-read-only": of_valkey(read_only),
    "sqlite-locked-for-30-s": database_locked,
}


@pytest.mark.parametrize("trouble", EMBEDDED.values(), ids=EMBEDDED)
def test_embedded_servers_come_back_and_work_goes_on(
    trouble: Callable[[Home], contextlib.AbstractContextManager[None]], tmp_path: Path
) -> None:
    """The same with a state folder of one's own."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with (
        Simulator(tmp_path, *NO_LIMITS, "--median-s", "0.5") as simulator,
        Home(tmp_path, simulator, RUNNER_HOME=str(tmp_path / "home")) as home,
    ):
        command = home.start(*RUN)
        home.reach(40, command)
        with trouble(home):
            pass
        goes_on(home, simulator)

        assert command.ended(120) == 0, command.said
        assert home.findings(simulator, crashed=True) == []
        assert simulator.books()["accepted"] <= JOBS + 8
