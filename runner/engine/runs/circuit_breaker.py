"""The breaker: pauses a run when most of its last requests may have cost money for nothing.

All workers add to one window of outcomes per run in Redis, so that eight workers are as careful as one.
While Redis is away each uses its own window.

A lost answer is known to be lost later than its neighbours are read, so the last outcomes of a run can be its
few losses alone. Fetches therefore trip it only if most answers of the same time are missing as well.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from runner.engine.process.supervisor import log_failure
from runner.rules.sending.breaker import WINDOW, is_tripped
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from runner.db.workers.leases import Lease
    from runner.limiter.outcome_window import OutcomeWindow

RECORD_EACH_S: Final = 0.5  # good outcomes are not urgent
FAILED_KEPT: Final = 10  # fetches without an answer, of each worker: the answers of their time are counted


class Endpoint(StrEnum):
    """Which of the two requests of a job it was."""

    SUBMIT = "submit"
    FETCH = "fetch"


_REASONS: Final = {
    Endpoint.SUBMIT: "{bad} of the last {all} requests ended without a reply; nobody knows if they were paid",
    Endpoint.FETCH: "{bad} of the last {all} fetches found no answer: it was gone, or could not be read",
}


class CircuitBreaker:
    """Calls `pause(run_id, reason, why)` when it trips, then starts an empty window. Belongs to one loop.

    `are_most_missing` takes the last fetches that brought no answer, and returns whether most answers to
    requests of the same time are missing.
    """

    def __init__(
        self,
        recent: OutcomeWindow,
        pause: Callable[[int, PauseReason, str], Awaitable[None]],
        are_most_missing: Callable[[Sequence[Lease]], Awaitable[bool]],
    ) -> None:
        self._recent = recent
        self._pause, self._are_most_missing = pause, are_most_missing
        self._failed: defaultdict[int, deque[Lease]] = defaultdict(lambda: deque(maxlen=FAILED_KEPT))
        self._seen: defaultdict[tuple[int, Endpoint], deque[bool]] = defaultdict(lambda: deque(maxlen=WINDOW))
        self._unrecorded: defaultdict[tuple[int, Endpoint], deque[bool]] = defaultdict(
            lambda: deque(maxlen=WINDOW)
        )
        self._recorded_at: dict[tuple[int, Endpoint], float] = {}
        self._order_lock = asyncio.Lock()
        self._recording: set[asyncio.Task[None]] = set()

    def record(self, lease: Lease, endpoint: Endpoint, *, bad: bool) -> None:
        """Note how a request ended; not for attempts that a crash left behind."""
        run_id = lease.run_id
        key, loop = (run_id, endpoint), asyncio.get_running_loop()
        if bad and endpoint is Endpoint.FETCH:
            self._failed[run_id].append(lease)
        self._seen[key].append(bad)
        self._unrecorded[key].append(bad)
        if bad or loop.time() - self._recorded_at.get(key, 0.0) >= RECORD_EACH_S:
            self._recorded_at[key] = loop.time()
            task = loop.create_task(self._record(run_id, endpoint), name=f"breaker of run {run_id}")
            self._recording.add(task)
            task.add_done_callback(self._recording.discard)
            task.add_done_callback(log_failure)

    async def flush(self) -> None:
        """Wait until all outcomes are recorded."""
        if self._recording:
            await asyncio.wait(self._recording)

    async def _record(self, run_id: int, endpoint: Endpoint) -> None:
        name = f"{run_id}:{endpoint}"
        async with self._order_lock:  # a bad outcome must not overtake the good ones before it
            new = list(self._unrecorded.pop((run_id, endpoint), ()))
            if not new:
                return
            window = await self._recent.add(name, new) or list(self._seen[run_id, endpoint])
        if is_tripped(window) and (
            endpoint is Endpoint.SUBMIT or await self._are_most_missing(list(self._failed[run_id]))
        ):
            why = _REASONS[endpoint].format(bad=sum(window), all=len(window))
            await self._pause(run_id, PauseReason.BREAKER, why)  # first: if it fails, the next trips again
            self._seen.pop((run_id, endpoint), None)
            self._unrecorded.pop((run_id, endpoint), None)
            self._failed.pop(run_id, None)
            await self._recent.forget(name)
