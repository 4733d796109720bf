"""Rate limiter client of a worker process. All processes that share a Redis share the limits.

A confirmed sliding log (round_trip.lua): a request counts from its reply on, which is later than its arrival.
So whatever the network does, no window of the API sees more requests than it allows.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from typing import TYPE_CHECKING, Final

from runner.limiter.bucket import RETRY_AFTER_S_MAX, Bucket
from runner.limiter.limits import BucketView, RateLimits, RunLimits
from runner.limiter.pending_updates import PendingUpdates
from runner.limiter.slots import Grant, Slot, tokens_of
from runner.limiter.store import LimiterUnavailable, Store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redis.asyncio import Redis

    from runner.limiter.store import Entries, NamedTeamLimits

__all__ = ["BucketView", "Grant", "Limiter", "LimiterUnavailable", "RateLimits", "RunLimits", "Slot"]

HORIZON_S: Final = 0.4  # slots are granted this far ahead
LATE_S_MAX: Final = 0.5  # a slot used later than this could meet the slots of other processes
UNLIMITED_REFRESH_S: Final = 0.25  # how often the pauses of other processes are read when there are no limits
TIMER_S: Final = 0.001  # uvloop's timers count whole milliseconds; a shorter sleep would not wait at all
CLOSE_S: Final = 2.0  # at most, for the last updates


class Limiter:
    """Grants slots to send requests. Belongs to one event loop.

    `rebuild` returns the requests of the last minute, per bucket (age_us, tokens). It is called when Redis is
    empty, and no slot is granted before. `team_limits` returns those that were set for the team; they
    are set again in the same step. The limit in force of a model is the team's, but no more than the
    announced one; else the announced one; else the fallback. 0 is no limit. A run may have limits of its own
    besides, which bind that run alone.

    Times are those of `clock`, and not of the loop: uvloop's count whole milliseconds and may be early
    (docs/decisions/0072).
    """

    def __init__(
        self,
        redis: Redis,
        *,
        rebuild: Callable[[], Awaitable[Entries]],
        team_limits: Callable[[], Awaitable[NamedTeamLimits]],
        window_s: float = 60.0,
        second_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._store = Store(redis, window_s=window_s, second_s=second_s)
        self._rebuild, self._team_limits = rebuild, team_limits
        self._rebuild_lock = asyncio.Lock()
        self._buckets: dict[str, Bucket] = {}
        self._process_id = uuid.uuid4().hex[:16]
        self._calls = itertools.count()

    @property
    def is_available(self) -> bool:
        """Return whether Redis answered when it was last asked."""
        return self._store.is_available

    async def close(self) -> None:
        """Send the pending updates, for at most CLOSE_S."""
        finishing = [asyncio.ensure_future(bucket.flush()) for bucket in self._buckets.values()]
        if finishing:
            await asyncio.wait(finishing, timeout=CLOSE_S)
        for bucket in self._buckets.values():
            bucket.stop()

    async def reserve(
        self,
        bucket: str,
        tokens: Sequence[int],
        fallback_limits: RateLimits,
        horizon_s: float = HORIZON_S,
        *,
        run_limits: RunLimits | None = None,
        is_poll: bool = False,
    ) -> Grant:
        """Request a slot for each estimate of `tokens`, once and in order.

        Only slots that may be used within `horizon_s` are granted; request the rest after `retry_after_s`.
        With `run_limits` that run's own limits hold besides. Polls use no tokens and go first, but do not
        starve submits (wait_queue.py). Raises LimiterUnavailable, and what `rebuild` raises: then nothing may
        be sent.
        """
        its = self._bucket(bucket)
        has_own = run_limits is not None and not run_limits.is_unlimited
        if not has_own and await self._is_unlimited(its, fallback_limits):
            if paused_s := self.paused_s(bucket):
                return Grant(slots=[], retry_after_s=min(paused_s, RETRY_AFTER_S_MAX))
            now = self._clock()
            slots = [Slot(id="", bucket=bucket, fire_at=now) for _ in tokens]
            return Grant(slots=slots, retry_after_s=None, cost=its.in_force.minutes_of(tokens))
        return await its.request_slots(
            tokens, fallback_limits, horizon_s, run_limits=run_limits, is_poll=is_poll
        )

    async def _is_unlimited(self, its: Bucket, fallback_limits: RateLimits) -> bool:
        """Return whether a model had no limit when that was last read, at most UNLIMITED_REFRESH_S ago."""
        is_old = self._clock() - its.refreshed_at > UNLIMITED_REFRESH_S
        if its.in_force.is_unlimited and is_old:
            await its.request_slots([], fallback_limits, 0.0)
        return its.in_force.is_unlimited

    async def wait_for(self, slot: Slot) -> None:
        """Return at the time of a slot, never before it."""
        while (left_s := slot.fire_at - self._clock()) > 0:  # noqa: ASYNC110 - it waits for a time, no event
            await asyncio.sleep(max(left_s, TIMER_S))

    def usable(self, slot: Slot) -> bool:
        """Return whether a slot may be used now: no pause began, and it is not late.

        Check right before sending. Release an unusable slot and request another.
        """
        is_late = slot.id != "" and self._clock() - slot.fire_at > LATE_S_MAX
        return not is_late and not self.paused_s(slot.bucket)

    def confirm(self, slot: Slot) -> None:
        """Record that a reply arrived now, or that sending ended without one."""
        if slot.id:
            self._bucket(slot.bucket).record(PendingUpdates(confirmed=[(slot.id, self._clock())]))

    def release(self, slot: Slot) -> None:
        """Return an unused slot: nothing was sent."""
        if slot.id:
            self._bucket(slot.bucket).record(PendingUpdates(released=[slot.id]))

    def settle(self, bucket: str, slot_id: str, tokens: int) -> None:
        """Replace the estimate of a slot by the tokens used, while the slot is in the window.

        Any process may do it. Why it ends with the window: docs/decisions/0006.
        """
        if slot_id and tokens != tokens_of(slot_id):
            self._bucket(bucket).record(PendingUpdates(settled=[(slot_id, tokens)]))

    def pause(self, bucket: str, seconds: float, *, rate_limited: bool) -> None:
        """Pause all processes; a longer pause stays. `rate_limited`: after a 429; uses less of the limits."""
        until = self._clock() + seconds
        self._bucket(bucket).record(PendingUpdates(pause_until=until, rate_limited=rate_limited))

    def record_poll(self, bucket: str, *, refused: bool) -> None:
        """Record a poll; `refused`: it got a 429, which may mean that polls use the request limit."""
        self._bucket(bucket).record_poll(refused=refused)

    def polls_charged(self, bucket: str) -> bool:
        """Return whether polls need slots, as last read from Redis; starts a refresh when that is old."""
        its = self._bucket(bucket)
        its.refresh_soon()
        return its.polls_charged

    def announce(self, bucket: str, rpm: int | None, tpm: int | None) -> None:
        """Share the limits that a reply's headers announced; None where they announced none."""
        self._bucket(bucket).announce(rpm, tpm)

    def paused_s(self, bucket: str) -> float:
        """Return how long the pause of all processes still lasts, as last read; 0 for none."""
        its = self._buckets.get(bucket)
        return max(0.0, its.paused_until - self._clock()) if its is not None else 0.0

    def _bucket(self, name: str) -> Bucket:
        its = self._buckets.get(name)
        if its is None:
            its = self._buckets[name] = Bucket(
                name, self._store, self._new_call_id, self._restore, self._clock
            )
        return its

    def _new_call_id(self) -> str:
        """Return an id that no other call has: a slot with the id of another would replace it in the log."""
        return f"{self._process_id}-{next(self._calls)}"

    async def _restore(self) -> None:
        async with self._rebuild_lock:
            if not await self._store.is_whole():  # another bucket or process may have restored it meanwhile
                await self._store.restore(await self._rebuild(), await self._team_limits())
        for bucket in self._buckets.values():
            bucket.reset_announced()
