"""Recovery from faults of Redis and the database: work continues without a person.

On shared servers, and with the embedded ones where the fault applies to them.
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
from live_runner import NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs
from proxy import Proxy
from redis import Redis
from servers import Postgres, RedisServer

from runner.settings import socket_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

JOBS, SOME = 150, 40
AWAY_S = 4.0  # how long a fault lasts
LOCK_S = 30.0
RUN = ("run", "jobs.jsonl", "-o", "out.jsonl", "--rpm", "1200", "--tpm", "none")


class SharedSetup:
    """One host with its own PostgreSQL and simulator, and a Redis behind a proxy."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.postgres = stack.enter_context(
            Postgres("max_connections=30", "superuser_reserved_connections=0")
        )
        self.redis = stack.enter_context(RedisServer())
        self.proxy = stack.enter_context(Proxy(self.redis.port))
        self.simulator = stack.enter_context(Simulator(folder, *NO_LIMITS, "--median-s", "0.5"))
        redis_url = f"redis://127.0.0.1:{self.proxy.port}/0"
        self.host = stack.enter_context(Host(folder / "a", self.simulator, self.postgres.url, redis_url))


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


def of_redis(fault: Callable[[Redis], contextlib.AbstractContextManager[None]]) -> Fault:
    @contextmanager
    def applied(setup: SharedSetup) -> Iterator[None]:
        with setup.redis.client() as client, fault(client):
            yield
            time.sleep(AWAY_S)

    return applied


@contextmanager
def redis_restarted(setup: SharedSetup) -> Iterator[None]:
    setup.redis.kill()
    yield
    time.sleep(AWAY_S)
    setup.redis.start()


@contextmanager
def connections_to_redis_broken(setup: SharedSetup) -> Iterator[None]:
    """Open connections forward nothing and are not closed; new ones after the fault work."""
    setup.proxy.set_mode("silent")
    yield
    time.sleep(AWAY_S)
    setup.proxy.set_mode("pass")


@contextmanager
def postgres_restarted(setup: SharedSetup) -> Iterator[None]:
    setup.postgres.stop("immediate")
    yield
    time.sleep(AWAY_S)
    setup.postgres.start()


@contextmanager
def backends_killed(setup: SharedSetup) -> Iterator[None]:
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = 'fleet' AND pid <> pg_backend_pid()"
    )
    yield
    until = time.monotonic() + AWAY_S
    while time.monotonic() < until:
        setup.postgres.execute(kill)
        time.sleep(0.3)


@contextmanager
def connections_exhausted(setup: SharedSetup) -> Iterator[None]:
    with ExitStack() as stack:
        first = stack.enter_context(setup.postgres.connect())

        def take_all() -> None:
            with contextlib.suppress(psycopg.OperationalError):
                first.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = 'fleet' AND application_name <> 'greedy' AND pid <> pg_backend_pid()"
                )
                while True:
                    one = stack.enter_context(setup.postgres.connect())
                    one.execute("SET application_name = 'greedy'")

        take_all()
        yield
        until = time.monotonic() + AWAY_S
        while time.monotonic() < until:
            take_all()
            time.sleep(0.05)


@contextmanager
def table_locked(setup: SharedSetup) -> Iterator[None]:
    with setup.postgres.connect() as connection, connection.transaction():
        connection.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        yield
        time.sleep(LOCK_S)


@contextmanager
def postgres_read_only(setup: SharedSetup) -> Iterator[None]:
    """New sessions may only read, and the open ones end; `status` says so, from Redis."""

    def switch(change: str) -> None:
        setup.postgres.execute(f"ALTER DATABASE fleet {change}", database="postgres")
        setup.postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'fleet'",
            database="postgres",
        )

    def is_shown() -> bool:
        status = setup.host.start("status")
        return status.wait() == 0 and "1 worker cannot work since " in status.output

    switch("SET default_transaction_read_only = on")
    yield
    wait_until(is_shown, "status says that the worker cannot work")
    switch("RESET default_transaction_read_only")


if TYPE_CHECKING:
    Fault = Callable[[SharedSetup], contextlib.AbstractContextManager[None]]
SHARED_FAULTS = {
    "redis-emptied": of_redis(emptied),
    "redis-out-of-memory": of_redis(out_of_memory),
    "redis-read-only": of_redis(read_only),
    "redis-restarted-empty": redis_restarted,
    "redis-connections-broken": connections_to_redis_broken,
    "postgres-restarted-immediate": postgres_restarted,
    "postgres-backends-killed": backends_killed,
    "postgres-connections-exhausted": connections_exhausted,
    "postgres-locked-for-30-s": table_locked,
    "postgres-read-only": postgres_read_only,
}


@pytest.mark.parametrize("fault", SHARED_FAULTS.values(), ids=SHARED_FAULTS)
def test_shared_servers_come_back_and_work_goes_on(fault: Fault, tmp_path: Path) -> None:
    """The command keeps running, nothing is lost, and at most what was in flight is paid twice."""
    with ExitStack() as stack:
        setup = SharedSetup(tmp_path, stack)
        host = setup.host
        write_jobs(host.folder / "jobs.jsonl", JOBS)
        assert host.start("db", "upgrade").wait() == 0
        host.worker("--beat")
        host.hold_above(SOME, setup.simulator)
        command = host.start(*RUN)
        host.wait_for_accepted(SOME, command)
        with fault(setup):
            setup.simulator.switch(hold_after=None)

        assert command.wait() == 0, command.output
        assert host.ledger_errors(setup.simulator, crashed=True) == []
        assert setup.simulator.books()["accepted"] <= JOBS + 8


@contextmanager
def database_locked(home: LiveRunner) -> Iterator[None]:
    """Hold SQLite's write lock for longer than runner waits for it."""
    with contextlib.closing(sqlite3.connect(home.database, isolation_level=None, timeout=60)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        time.sleep(LOCK_S + 2)
        connection.execute("ROLLBACK")


def of_valkey(
    fault: Callable[[Redis], contextlib.AbstractContextManager[None]],
) -> Callable[[LiveRunner], contextlib.AbstractContextManager[None]]:
    @contextmanager
    def applied(home: LiveRunner) -> Iterator[None]:
        with Redis.from_url(f"unix://{socket_path(home.path)}") as client, fault(client):
            yield
            time.sleep(AWAY_S)

    return applied


# The same code as with shared servers, and hardly ever met by a private one: for the soak.
SAME_AS_SHARED = {"valkey-emptied", "valkey-out-of-memory", "valkey-read-only"}
EMBEDDED_FAULTS = {
    "valkey-emptied": of_valkey(emptied),
    "valkey-out-of-memory": of_valkey(out_of_memory),
    "valkey-read-only": of_valkey(read_only),
    "sqlite-locked-for-30-s": database_locked,
}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=name, marks=[pytest.mark.soak] if name in SAME_AS_SHARED else [])
        for name, fault in EMBEDDED_FAULTS.items()
    ],
)
def test_embedded_servers_come_back_and_work_goes_on(
    fault: Callable[[LiveRunner], contextlib.AbstractContextManager[None]], tmp_path: Path
) -> None:
    """The same with the embedded servers of a state folder."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with (
        Simulator(tmp_path, *NO_LIMITS, "--median-s", "0.5") as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_HOME=str(tmp_path / "home")) as home,
    ):
        home.hold_above(SOME, simulator)
        command = home.start(*RUN)
        home.wait_for_accepted(SOME, command)
        with fault(home):
            simulator.switch(hold_after=None)

        assert command.wait() == 0, command.output
        assert home.ledger_errors(simulator, crashed=True) == []
        assert simulator.books()["accepted"] <= JOBS + 8
