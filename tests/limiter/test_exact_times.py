"""A slot's times on the loop of a worker, uvloop, whose own clock and timers count whole milliseconds.

A slot that is used a millisecond early is one request too many in a window of the API. The clock of Redis is
that of this host, so both sides can be compared.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import uvloop
from limiter_script import nothing_set
from redis import Redis
from valkey_server import ValkeyServer, valkey_server

from runner.limiter.limiter import Limiter, RateLimits
from runner.limiter.slots import Slot
from runner.limiter.store import connect, state_and_log

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from runner.limiter.store import Entries

FAST = RateLimits(rpm=12_000, tpm=0)  # a slot every 5 ms
SLOTS = 70


async def no_history() -> Entries:
    return {}


def on_uvloop(story: Coroutine[None, None, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(story)


def counts_from_s(valkey: ValkeyServer, slots: Sequence[Slot]) -> list[float]:
    """Return from when on each slot counts, in seconds of Redis' clock."""
    with Redis.from_url(valkey.url) as client:
        scores = client.zmscore(state_and_log("b")[1], [slot.id for slot in slots])
    return [score / 1e6 for score in scores if score is not None]


def test_no_slot_is_used_early() -> None:
    """uvloop rounds a wait of 1.45 ms down to 1 ms."""

    async def story() -> None:
        redis = connect("redis://nowhere")
        limits = Limiter(redis, rebuild=no_history, team_limits=nothing_set)
        early_s = []
        for _ in range(100):
            slot = Slot(id="x:1:1", bucket="b", fire_at=time.monotonic() + 0.00145)
            await limits.wait_for(slot)
            early_s.append(slot.fire_at - time.monotonic())
        assert max(early_s) <= 0
        await redis.aclose()

    on_uvloop(story())


def test_no_granted_slot_is_used_early_and_no_reply_counts_early() -> None:
    """A reply counts from when it was there on, by the clock of Redis."""

    async def story() -> None:
        redis = connect(valkey.patient_url)
        limits = Limiter(redis, rebuild=no_history, team_limits=nothing_set)
        slots = (await limits.reserve("b", [1] * SLOTS, FAST)).slots
        granted_s = counts_from_s(valkey, slots)
        used_s: dict[str, float] = {}
        replied_s: dict[str, float] = {}

        async def use(slot: Slot) -> None:
            await limits.wait_for(slot)
            used_s[slot.id] = time.time()
            await asyncio.sleep(0.0015)
            replied_s[slot.id] = time.time()
            limits.confirm(slot)

        await asyncio.gather(*map(use, slots))
        await limits.close()  # sends what is pending
        await redis.aclose()
        assert len(granted_s) == len(slots) > SLOTS / 2
        assert min(used_s[slot.id] - at for slot, at in zip(slots, granted_s, strict=True)) >= 0
        confirmed_s = counts_from_s(valkey, slots)
        assert min(at - replied_s[slot.id] for slot, at in zip(slots, confirmed_s, strict=True)) >= 0

    with valkey_server() as valkey:
        on_uvloop(story())
