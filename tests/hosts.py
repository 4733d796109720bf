"""Test fleet: hosts (each with a state folder) that share a PostgreSQL, a Redis and a simulator."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import ledger
import psycopg
from live_runner import NO_LIMITS, WITHIN_S, LiveRunner, Simulator, wait_until
from servers import RedisServer

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from live_runner import Command


class Host(LiveRunner):
    """One host of a fleet. It shares only the database and Redis with the other hosts, by their URLs."""

    def __init__(
        self, folder: Path, simulator: Simulator, database_url: str, redis_url: str, **env: str
    ) -> None:
        folder.mkdir(exist_ok=True)
        super().__init__(
            folder, simulator, RUNNER_DATABASE_URL=database_url, RUNNER_REDIS_URL=redis_url, **env
        )
        self.database_url = database_url

    def worker(self, *words: str) -> Command:
        """Start `runner worker` and wait until its first process is in the table `workers`."""
        before = self.workers()
        command = self.start("worker", *words)
        wait_until(lambda: self.workers() > before, "a worker has started")
        return command

    def workers(self) -> int:
        """Return the number of rows in the table `workers`: all hosts, ended ones too."""
        return self.count("SELECT COUNT(*) FROM workers")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query; [] while the database takes no connection."""
        with contextlib.suppress(psycopg.OperationalError, psycopg.errors.UndefinedTable):
            url = self.database_url.replace("+psycopg", "")
            with psycopg.connect(url, autocommit=True, connect_timeout=round(WITHIN_S)) as connection:
                return connection.execute(sql.encode()).fetchall()
        return []

    def change(self, sql: str) -> None:
        """Execute a statement in the database."""
        with psycopg.connect(self.database_url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(sql.encode())

    def ledger_errors(self, simulator: Simulator, *, crashed: bool = False) -> list[str]:
        """Return what the ledger finds wrong in database, output files and the simulator's books."""
        return ledger.check(
            self.database_url,
            self.folder / "out.jsonl",
            self.folder / "jobs.jsonl",
            simulator.books(),
            crashed=crashed,
        )


class Fleet:
    """A simulator, a migrated database and a Redis; `host` adds hosts, and `stack` ends them all."""

    def __init__(self, folder: Path, database_url: str, stack: ExitStack, *flags: str) -> None:
        self.folder, self.database_url, self._stack = folder, database_url, stack
        self.redis = stack.enter_context(RedisServer())
        self.simulator = stack.enter_context(Simulator(folder, *NO_LIMITS, *flags))

    def host(self, name: str, **env: str) -> Host:
        """Add a host; return it."""
        host = Host(self.folder / name, self.simulator, self.database_url, self.redis.url, **env)
        return self._stack.enter_context(host)
