"""The runtime: what one worker process has open. Its stages share all of it (`runner.engine.stages`)."""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.api.client import XAIClient
from runner.db.connection.statement_timeout import ANSWER_TIMEOUT_S
from runner.db.session import Database
from runner.db.workers import workers
from runner.engine.process.host_id import host_id
from runner.engine.process.shared_clock import SharedClock
from runner.engine.runs.cost_bounds import PriceBasis
from runner.engine.storing.disk_space import DiskSpace
from runner.engine.storing.group_commit import GroupCommit
from runner.engine.storing.spool import Spool
from runner.limiter.store import connect

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from runner.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Belongs to one event loop. `worker` is the id of this worker's row, `host` that of its spool folder.

    `http_slots`: as many requests leave at a time as it admits. `price_basis`: by what answers are priced.
    """

    settings: Settings
    node: str
    host: str
    worker: int
    loop: asyncio.AbstractEventLoop
    database: Database
    clock: SharedClock
    spool: Spool
    disk: DiskSpace
    group_commit: GroupCommit
    redis: Redis
    api: XAIClient
    http_slots: asyncio.Semaphore
    random: random.Random
    price_basis: PriceBasis

    def now_ms(self) -> int:
        """Return the time of the database's clock, which all hosts share."""
        return self.clock.now_ms()

    async def close(self, *, is_done: bool) -> None:
        """Close everything, in order. `is_done`: nothing is in flight, so the worker can be put on record as
        ended; else its host recovers what its spool holds.
        """
        is_clean = is_done and self.spool.is_acknowledged
        if is_clean:
            self.spool.close()  # first: the files of a worker that has ended are not looked for
            await self.group_commit.execute(lambda c, _: workers.record_end(c, self.worker, self.now_ms()))
        await self.loop.run_in_executor(None, self.group_commit.close)
        if not is_clean:
            self.spool.close()
        await self.redis.aclose()
        await self.api.close()
        self.database.close()


async def open_runtime(settings: Settings, node: str) -> Runtime:
    """Open all of it on the running loop, and register the worker.

    Raises UsageError for a setting that cannot be used, and what the database raises.
    """
    loop = asyncio.get_running_loop()
    price_basis = PriceBasis.of(settings.base_url, settings.prices)
    database = Database(settings.effective_database_url, answer_timeout_s=ANSWER_TIMEOUT_S)
    host = host_id(settings)
    clock = SharedClock(database.now_ms)
    worker, spool = _register(settings, database, host, node)
    return Runtime(
        settings=settings,
        node=node,
        host=host,
        worker=worker,
        loop=loop,
        database=database,
        clock=clock,
        spool=spool,
        disk=DiskSpace(settings.spool_dir),
        group_commit=GroupCommit(database, loop, shard=worker),
        redis=connect(settings.effective_redis_url),
        api=XAIClient(settings, connections=settings.concurrency * 2),
        http_slots=asyncio.Semaphore(settings.concurrency),
        random=random.Random(),  # noqa: S311 - jitter
        price_basis=price_basis,
    )


def _register(settings: Settings, database: Database, host: str, node: str) -> tuple[int, Spool]:
    """Write the worker's row and open its spool, in one transaction.

    A worker on record without a locked spool counts as dead.
    """
    with database.write() as connection:
        worker = workers.register(connection, host=host, node=node, pid=os.getpid(), now_ms=database.now_ms())
        return worker, Spool(settings.spool_dir, worker)
