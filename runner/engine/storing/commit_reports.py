"""Reports in Redis that the database refuses what this worker writes or reads, for `runner status`."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from runner.limiter import refused_commits
from runner.limiter.refused_commits import CommitRefusal
from runner.limiter.store import LimiterUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from runner.rules.errors import UserError

EACH_S: Final = 2.0  # a refusal that is over by then is not reported
READ_AGAIN_MS: Final = 12_000  # a loop whose read was refused has read again by then: the reaper starts it
log = logging.getLogger("runner.commit_reports")


class CommitReports:
    """`refusal` returns why the last commit was refused, None where it was not. `node` names this worker."""

    def __init__(
        self, *, redis: Redis, node: str, refusal: Callable[[], UserError | None], now_ms: Callable[[], int]
    ) -> None:
        self._redis, self._node, self._refusal, self._now_ms = redis, node, refusal, now_ms
        self._since_ms: int | None = None  # None: not refused at the last look
        self._read: tuple[int, UserError] | None = None
        self._is_reported = True  # perhaps by the process before this one, which could not start

    def note_read(self, refusal: UserError | None) -> None:
        """Note why the database refused a time slice what it reads; None: nothing. For any thread."""
        self._read = None if refusal is None else (self._now_ms(), refusal)

    async def run(self) -> None:
        """Look every EACH_S, until cancelled or an error."""
        while True:
            await asyncio.sleep(EACH_S)
            try:
                await self.look()
            except LimiterUnavailable as error:
                log.warning("commit_report.failed cause=%s", error)

    async def look(self) -> None:
        """Report a refusal that lasts since the last look, or withdraw it. Raises LimiterUnavailable."""
        refusal = self._refusal() or self._refused_read()
        if refusal is None:
            self._since_ms = None
            if self._is_reported:
                await refused_commits.withdraw(self._redis, self._node)
                self._is_reported = False
        elif self._since_ms is None:
            self._since_ms = self._now_ms()
        else:
            self._is_reported = True
            await refused_commits.report(
                self._redis, self._node, CommitRefusal(refusal.what, refusal.fix, self._since_ms)
            )

    def _refused_read(self) -> UserError | None:
        if self._read is None:
            return None
        at_ms, refusal = self._read
        return refusal if self._now_ms() - at_ms < READ_AGAIN_MS else None
