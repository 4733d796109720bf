"""Drives the stages of a worker in the test's process, against a real simulator, Valkey and database."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from run_driver import RunDriver, new_run
from runtimes import OpenedWorker, opened_worker
from simulator_thread import SimulatorThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from valkey_server import ValkeyServer

    from runner.db.runs.run_row import RunOptions
    from runner.db.session import Database

    Opened = Callable[..., AbstractContextManager["StageDriver"]]  # the fixture `opened`

BODY = b'{"model":"grok-4.3","messages":[{"role":"user","content":"one word"}]}'
SLICE_S = 0.25
PATIENCE_S = 240.0


class StageDriver:
    """One worker, its simulator and its runs. `work` gives both loops a time slice, and then the reaper."""

    def __init__(self, database: Database, worker: OpenedWorker, simulator: SimulatorThread) -> None:
        self.database, self.worker, self.simulator = database, worker, simulator

    def load(
        self,
        count: int,
        options: RunOptions | None = None,
        identity: str = "a",
        *,
        body: bytes = BODY,
        recipe: str | None = None,
        needs: str | None = None,
    ) -> RunDriver:
        """Load a run with jobs that the simulator takes, and start it."""
        return new_run(self.database, count, options, identity, body=body, recipe=recipe, needs=needs)

    def work(self, seconds: float = SLICE_S) -> None:
        """Work for one time slice, as the Celery tasks make a worker do."""
        stages = self.worker.stages

        async def slices() -> None:
            await asyncio.gather(stages.submitter.run_slice(seconds), stages.collector.run_slice(seconds))

        self.worker.run(slices())
        stages.reaper.reap()

    def work_until(self, is_reached: Callable[[], bool], what: str) -> None:
        """Work until something is so; fail after PATIENCE_S."""
        until = time.monotonic() + PATIENCE_S
        while not is_reached():
            assert time.monotonic() < until, f"not reached: {what}"
            self.work()

    def wait_for_replies(self) -> None:
        """Wait until nothing is in flight: a time slice ends without waiting for what it has sent."""
        in_flight = self.worker.shared.in_flight
        self.worker.run(in_flight.wait_until_none(PATIENCE_S))
        assert not in_flight.job_ids()

    def finish(self, driver: RunDriver) -> None:
        """Work until a run is finished."""
        self.work_until(lambda: self.state(driver)[0] == "finished", "the run is finished")

    def state(self, driver: RunDriver) -> tuple[str, str | None]:
        """Return a run's state, and the reason of its pause."""
        (row,) = driver.rows("SELECT state, pause_reason FROM runs WHERE id = :id", id=driver.run_id)
        return row.state, row.pause_reason

    def set_running(self, driver: RunDriver) -> None:
        """Resume a paused run, as a user would."""
        with self.database.write() as connection:
            connection.exec_driver_sql(
                f"UPDATE runs SET state = 'running', pause_reason = NULL WHERE id = {driver.run_id}"
            )

    def faults(self, **rates: float) -> None:
        """Set the simulator's faults; `submit_429` is the one of a submit."""
        self.simulator.switch(faults={name.replace("_", ":", 1): rate for name, rate in rates.items()})


@contextmanager
def stage_driver(
    database: Database, database_url: str, folder: Path, valkey: ValkeyServer, **options: Any
) -> Iterator[StageDriver]:
    """Open all of it; `options`: of the simulator, and variables of the worker in capitals."""
    variables = {name: str(options.pop(name)) for name in list(options) if name.isupper()}
    with ExitStack() as stack:
        simulator = stack.enter_context(SimulatorThread(**options))
        worker = stack.enter_context(
            opened_worker(
                database,
                database_url,
                folder,
                simulator.server.url,
                RUNNER_REDIS_URL=valkey.url,
                **variables,
            )
        )
        yield StageDriver(database, worker, simulator)
