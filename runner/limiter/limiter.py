"""The limiter as a worker process uses it. All processes that share a Redis share the limits.

A confirmed sliding log (talk.lua): a request counts from its reply on, which is later than its arrival,
so whatever the network does, no window of the API ever sees more than it allows.
"""

from __future__ import annotations

import asyncio
import itertools
import uuid
from typing import TYPE_CHECKING, Final

from runner.limiter.bucket import AGAIN_S_MAX, Bucket
from runner.limiter.limits import Caps, View
from runner.limiter.news import News
from runner.limiter.slots import Grant, Slot, tokens_of
from runner.limiter.store import LimiterUnavailable, Store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

__all__ = ["Caps", "Grant", "Limiter", "LimiterUnavailable", "Slot", "View"]

HORIZON_S: Final = 0.4
LATE_S_MAX: Final = 0.5
UNLIMITED_LOOK_S: Final = 0.25  # without limits, the pauses of others are looked up so often
CLOSE_S: Final = 2.0


class Limiter:
    """Belongs to one event loop. Slots are waited for, never refused.

    `rebuild` gives what was sent in the last minute, per bucket (age_us, tokens); it is called when Redis
    was found empty, and nothing is granted before. A user's limit of a bucket holds, lowered to what the
    API announced; else what it announced; else the fallback. A limit of 0 is none.
    """

    def __init__(
        self,
        redis_url: str,
        *,
        rebuild: Callable[[], Awaitable[Mapping[str, Sequence[tuple[int, int]]]]],
        window_s: float = 60.0,
        second_s: float = 1.0,
    ) -> None:
        self._store = Store(redis_url, window_s=window_s, second_s=second_s)
        self._rebuild = rebuild
        self._rebuilding = asyncio.Lock()
        self._buckets: dict[str, Bucket] = {}
        self._process = uuid.uuid4().hex[:16]
        self._calls = itertools.count()

    async def close(self) -> None:
        """Tell what is left to tell, at most for CLOSE_S, and close the connections."""
        finishing = [asyncio.ensure_future(bucket.finish()) for bucket in self._buckets.values()]
        if finishing:
            await asyncio.wait(finishing, timeout=CLOSE_S)
        for bucket in self._buckets.values():
            bucket.stop()
        await self._store.close()

    async def reserve(
        self,
        bucket: str,
        tokens: Sequence[int],
        caps: Caps,
        fallback: Caps,
        horizon_s: float = HORIZON_S,
        *,
        is_poll: bool = False,
    ) -> Grant:
        """Ask once for a slot for each estimate of `tokens`, in order.

        Granted are those that may fire within `horizon_s`; ask for the others again after `again_s`.
        Polls use no tokens and go first where slots are scarce, though not only they (line.py).
        Raises LimiterUnavailable, and what `rebuild` raises: then nothing may be sent.
        """
        its = self._bucket(bucket)
        if not caps.unlimited:
            return await its.ask(tokens, caps, fallback, horizon_s, is_poll=is_poll)
        now = asyncio.get_running_loop().time()
        if now - its.heard_at > UNLIMITED_LOOK_S:
            await its.ask([], caps, fallback, horizon_s)
            now = asyncio.get_running_loop().time()
        if its.paused_until > now:
            return Grant(slots=[], again_s=min(its.paused_until - now, AGAIN_S_MAX))
        slots = [Slot(id="", bucket=bucket, tokens=estimate, fire_at=now) for estimate in tokens]
        return Grant(slots=slots, again_s=None)

    def usable(self, slot: Slot) -> bool:
        """Say, right before sending, whether the slot may still be used: no pause came, and it is not late.

        One that was overslept must be released and reserved anew: the log has counted on its time.
        """
        now = asyncio.get_running_loop().time()
        overslept = slot.id != "" and now - slot.fire_at > LATE_S_MAX
        return not overslept and self.paused_until(slot.bucket) <= now

    def confirm(self, slot: Slot) -> None:
        """Say that a reply came just now, or that sending ended without one."""
        if slot.id:
            now = asyncio.get_running_loop().time()
            self._bucket(slot.bucket).tell(News(confirmed=[(slot.id, now)]))

    def release(self, slot: Slot) -> None:
        """Give a slot back: nothing was sent."""
        if slot.id:
            self._bucket(slot.bucket).tell(News(released=[slot.id]))

    def settle(self, bucket: str, slot_id: str, tokens: int) -> None:
        """Correct the estimate by what was used, whoever was granted the slot; it counts while in the window.

        Why nothing is owed beyond it: docs/decisions/0006.
        """
        if slot_id and tokens != tokens_of(slot_id):
            self._bucket(bucket).tell(News(settled=[(slot_id, tokens)]))

    def pause(self, bucket: str, seconds: float, *, rate_limited: bool) -> None:
        """Make everybody wait; a longer pause stands. `rate_limited`: a 429 said so, so all slow down."""
        until = asyncio.get_running_loop().time() + seconds
        self._bucket(bucket).tell(News(pause_until=until, refused=rate_limited))

    def polled(self, bucket: str, *, refused: bool) -> None:
        """Say that a poll was answered; `refused`: with a 429, which may mean that polls count too."""
        self._bucket(bucket).polled(refused=refused)

    def polls_charged(self, bucket: str) -> bool:
        """Say whether polls need slots, by what all processes saw of late; it is looked up now and then."""
        its = self._bucket(bucket)
        its.look()
        return its.polls_charged

    def announce(self, bucket: str, rpm: int | None, tpm: int | None) -> None:
        """Pass on the limits a reply's headers announced; None where they said nothing."""
        self._bucket(bucket).announce(rpm, tpm)

    async def view(self, bucket: str) -> View:
        """Look at a bucket, for people. Raises LimiterUnavailable."""
        return await self._store.view(bucket)

    def paused_until(self, bucket: str) -> float:
        """Return until when (loop time) everybody pauses, as last heard."""
        its = self._buckets.get(bucket)
        return its.paused_until if its is not None else 0.0

    def _bucket(self, name: str) -> Bucket:
        its = self._buckets.get(name)
        if its is None:
            its = self._buckets[name] = Bucket(name, self._store, self._name, self._restore)
        return its

    def _name(self) -> str:
        """Name a talk. Never twice: a slot by the name of another would replace it in the log."""
        return f"{self._process}-{next(self._calls)}"

    async def _restore(self) -> None:
        async with self._rebuilding:
            if not await self._store.is_whole():  # another bucket or process may have done it meanwhile
                await self._store.restore(await self._rebuild())
        for bucket in self._buckets.values():
            bucket.forget_announced()
