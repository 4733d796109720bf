"""Rebuild the limiter after Redis was emptied: the recent sends, read from the attempts on record."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from runner.db.workers import recent_sends as attempts
from runner.db.workers import workers
from runner.limiter.limiter import HORIZON_S, LATE_S_MAX, LimiterUnavailable
from runner.limiter.slots import run_of
from runner.rules.servers.redis_errors import NOT_REBUILT

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.db.session import Database
    from runner.db.workers.recent_sends import RecentSend
    from runner.engine.limits.team import Team
    from runner.limiter.store import BucketName, Entries

SEEN_WITHIN_MS = 30_000
JUST_NOW_US = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentSends:
    """`worker` is the id of this worker's row, `bucket` names a model's bucket."""

    database: Database
    now_ms: Callable[[], int]
    worker: int
    team: Team
    bucket: Callable[[str], str]

    async def read(self) -> Entries:
        """Return (age_us, tokens) of the recent sends, by bucket. Raise LimiterUnavailable.

        A send whose slot was in the bucket of its run as well is in both.

        Other workers may hold slots that Redis has forgotten. Within a moment they use them, or they are too
        late for them; wait for that, so that these sends are on record.
        """
        loop = asyncio.get_running_loop()
        await self.team.record_again()
        rows, has_others = await loop.run_in_executor(None, self._rows)
        if has_others and any(row.age_us < JUST_NOW_US for row in rows):
            await asyncio.sleep(HORIZON_S + LATE_S_MAX)
            rows, _ = await loop.run_in_executor(None, self._rows)
        entries: dict[BucketName, list[tuple[int, int]]] = {}
        for row in rows:
            buckets: list[BucketName] = [self.bucket(row.model)]
            if (run := run_of(row.slot or "")) is not None:
                buckets.append(run)
            for bucket in buckets:
                entries.setdefault(bucket, []).append((row.age_us, row.tokens))
        return entries

    def _rows(self) -> tuple[list[RecentSend], bool]:
        """Return the attempts, and whether other workers are alive."""
        now_ms = self.now_ms()
        try:
            with self.database.read() as connection:
                alive = workers.alive(connection, now_ms - SEEN_WITHIN_MS)
            rows = attempts.read(self.database, now_ms)
        except DBAPIError as error:
            raise LimiterUnavailable(self.database.explained(error), fault=NOT_REBUILT) from error
        return rows, any(worker.id != self.worker for worker in alive)
