"""A worker process of the limiter tests: sends as many requests as the limiter allows.

It ends after `run_s` seconds, and not before `requests_min` requests of all processes have arrived.
Arguments: URL of the Redis of limiter and strict server, JSON of the case, seed.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limiter_script import nothing_set
from redis.asyncio import Redis

from runner.limiter.limiter import Limiter, RateLimits, Slot
from runner.limiter.slots import tokens_of
from runner.limiter.store import connect

if TYPE_CHECKING:
    from runner.limiter.store import Entries

STRICT = Path(__file__).with_name("strict_window.lua").read_text("utf-8")
KEYS = ["strict:log", "strict:books"]
HELD_UP = "strict:held_up"  # requests that a busy machine delayed, and not the network
TICK_S = 0.02
DELAY_S = 0.1  # from here on a tick or a request was held up


class Client:
    """Sends over a network that is slow in both directions, and sometimes very slow."""

    def __init__(self, limits: Limiter, server: Redis, case: dict[str, Any], seed: int) -> None:
        self._limits = limits
        self._server = server
        self._arrive = server.register_script(STRICT)
        self._case = case
        self._random = random.Random(seed)
        self._arguments = [case[name] for name in ("rpm", "tpm", "rps", "window_us", "second_us")]
        self._held_up_at = 0.0  # when this process, or the server, last did nothing for DELAY_S
        self.held_up = 0

    async def watch(self) -> None:
        """Record when this process was not run in time."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(TICK_S)
            if loop.time() - before > DELAY_S:
                self._held_up_at = loop.time()

    async def work(self) -> None:
        loop, case = asyncio.get_running_loop(), self._case
        ends = loop.time() + case["run_s"]
        caps = RateLimits(rpm=case["rpm"], tpm=case["tpm"], rps=case["rps"])
        async with asyncio.TaskGroup() as posts:
            while loop.time() < ends or await self._arrived() < case["requests_min"]:
                sizes = [self._random.randint(1, 2 * case["size"] - 1) for _ in range(8)]
                asked_at = loop.time()
                grant = await self._limits.reserve("b", sizes, caps)
                for slot in grant.slots:
                    posts.create_task(self._post(slot, asked_at))
                # Wait until the last slot, so that few requests are under way.
                last = grant.slots[-1].fire_at if grant.slots else 0.0
                wait_s = (
                    grant.retry_after_s
                    if grant.retry_after_s is not None
                    else max(0.0, last - loop.time() - 0.2)
                )
                await asyncio.sleep(wait_s)

    async def _arrived(self) -> int:
        return int(await self._server.llen(KEYS[1]))

    async def _post(self, slot: Slot, asked_at: float) -> None:
        now = asyncio.get_running_loop().time
        await self._limits.wait_for(slot)
        if not self._limits.usable(slot):
            self._limits.release(slot)
            return
        there_s, back_s, sent_at = self._one_way_s(), self._one_way_s(), now()
        await asyncio.sleep(there_s)
        taken = await self._arrive(KEYS, [slot.id, tokens_of(slot.id), *self._arguments])
        await asyncio.sleep(back_s)
        self._limits.confirm(slot)
        took_s = now() - sent_at
        self.held_up += took_s - there_s - back_s > DELAY_S or self._held_up_at > asked_at
        if not taken:
            self._limits.pause("b", 0.2, rate_limited=True)

    def _one_way_s(self) -> float:
        spike = self._random.random() < 0.005
        return self._random.lognormvariate(-5.3, 0.7) + (self._random.uniform(0.1, 0.4) if spike else 0.0)


async def main(url: str, case: dict[str, Any], seed: int) -> None:
    async def rebuild() -> Entries:
        return {}

    redis = connect(url)
    limits = Limiter(
        redis,
        rebuild=rebuild,
        team_limits=nothing_set,
        window_s=case["window_us"] / 1e6,
        second_s=case["second_us"] / 1e6,
    )
    server = Redis.from_url(url, db=1)
    client = Client(limits, server, case, seed)
    watching = asyncio.create_task(client.watch())
    await client.work()
    watching.cancel()
    await server.incrby(HELD_UP, client.held_up)
    await limits.close()
    await redis.aclose()
    await server.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])))
