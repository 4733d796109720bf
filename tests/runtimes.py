"""A worker's stages on a test's database, and errors of that database that do not pass by themselves."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runner import settings
from runner.engine.collecting.fetch_failures import FetchFailures
from runner.engine.collecting.fetch_health import FetchHealth
from runner.engine.process.loop_thread import LoopThread
from runner.engine.sending.refused_models import RefusedModels
from runner.engine.stages import open_stages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runner.db.session import Database
    from runner.engine.runs.active_runs import ActiveRun
    from runner.settings import Settings


class OpenedWorker:
    """The stages of a worker on a loop of their own; `run` runs a coroutine there."""

    def __init__(self, settings: Settings) -> None:
        self._loop = LoopThread()
        self.drained = threading.Event()  # set when the worker is told to drain
        self.run = self._loop.run
        self.loop = self._loop.loop
        self.stages = self.run(open_stages(settings, "w1", drain=self.drained.set))
        self.runtime, self.shared = self.stages.runtime, self.stages.shared
        self.runs = self.shared.runs
        self.now_ms = self.runtime.now_ms

    def set_team(self, name: str) -> None:
        """Let the team be known, without asking the API."""
        self.run(self.shared.team.close())
        self.shared.team.name = name

    def read_runs(self) -> list[ActiveRun]:
        """Let the worker read the runs at work, as its loops do."""
        return self.run(self.runs.read(fresh=True))

    def fetch_health(self) -> FetchHealth:
        """Return another view on the health of fetches."""
        return FetchHealth(
            runs=self.runs,
            outage=self.shared.outage,
            breaker=self.shared.breaker,
            group_commit=self.runtime.group_commit,
            wakeups=self.shared.wakeups,
            now_ms=self.now_ms,
        )

    def fetch_failures(self) -> FetchFailures:
        """Return what handles fetches without an answer."""
        return FetchFailures(
            api=self.runtime.api,
            runs=self.runs,
            health=self.fetch_health(),
            outage=self.shared.outage,
            spool=self.shared.spool,
            mover=self.shared.mover,
            schedule=self.shared.schedule,
            clock=self.runtime.clock,
            random=self.runtime.random,
        )

    def refused_models(self) -> RefusedModels:
        """Return what handles refused models."""
        return RefusedModels(self.runtime.database, self.runs, self.shared.mover, self.now_ms)

    def close(self, grace_s: float) -> None:
        """End the worker in order."""
        self.run(self.stages.close(grace_s))
        self._loop.stop()


@contextmanager
def opened_worker(
    database: Database,
    database_url: str,
    folder: Path,
    base_url: str = "http://127.0.0.1:1/v1",
    **variables: str,
) -> Iterator[OpenedWorker]:
    """Open a worker. Nothing is at the default `base_url`; without RUNNER_REDIS_URL there is no Redis.

    The limits of models are lifted, unless `variables` set others.
    """
    env = {
        "RUNNER_HOME": str(folder / "home"),
        "RUNNER_DATABASE_URL": database_url,
        "RUNNER_REDIS_URL": f"unix://{folder}/none.sock",
        "XAI_API_KEY": "xai-some-key",
        "XAI_BASE_URL": base_url,
        "RUNNER_TEAM_RPM": "none",
        "RUNNER_TEAM_TPM": "none",
        **variables,
    }
    if database.is_sqlite and "RUNNER_REDIS_URL" not in variables:  # the state folder's own
        (folder / "home").mkdir()
        (folder / "home" / "runner.db").symlink_to(folder / "runner.db")
        del env["RUNNER_DATABASE_URL"], env["RUNNER_REDIS_URL"]
    worker = OpenedWorker(settings.load(env, folder))
    try:
        yield worker
    finally:
        worker.close(1.0)


def refusal(name: str, write: str, when: str, *, is_sqlite: bool) -> tuple[list[str], list[str]]:
    """Return the SQL that makes the database refuse a kind of write, and the SQL that ends that.

    `write` is like `UPDATE ON runs`, `when` a condition on the new row.
    """
    table = write.rsplit(maxsplit=1)[-1]
    if is_sqlite:
        refuse = f"SELECT RAISE(ABORT, 'refused by {name}')"
        begin = f"CREATE TRIGGER {name} BEFORE {write} WHEN {when} BEGIN {refuse}; END"
        return [begin], [f"DROP TRIGGER {name}"]
    refuse = f"BEGIN RAISE EXCEPTION 'refused by {name}'; END"
    return [
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${refuse}$$",
        f"CREATE TRIGGER {name} BEFORE {write} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION {name}()",
    ], [f"DROP TRIGGER {name} ON {table}", f"DROP FUNCTION {name}"]


@contextmanager
def refused(database: Database, write: str, when: str) -> Iterator[None]:
    """Make the database refuse a kind of write for a while."""
    begin, end = refusal("refusal", write, when, is_sqlite=database.is_sqlite)
    _do(database, begin)
    try:
        yield
    finally:
        _do(database, end)


def _do(database: Database, statements: list[str]) -> None:
    with database.write() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
