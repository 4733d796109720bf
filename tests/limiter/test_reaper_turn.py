"""Whose turn it is to reap, on a real Valkey."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from redis import Redis

from runner.limiter.reaper_turn import REAPED, REAPED_S, TAKEN, TAKEN_MS, ReaperTurn
from runner.limiter.store import connect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from valkey_server import ValkeyServer

HOUR_MS = 3_600_000


Story: TypeAlias = "Callable[[ReaperTurn, ReaperTurn, Redis], Awaitable[None]]"


def with_turns(server: ValkeyServer, story: Story) -> None:
    """Tell a story of two workers and an emptied Redis."""

    async def tell() -> None:
        redis = connect(server.patient_url)
        with Redis.from_url(server.url) as client:
            client.flushall()
            await story(ReaperTurn(redis, "one"), ReaperTurn(redis, "two"), client)
        await redis.aclose()

    asyncio.run(tell())


def test_one_worker_reaps_at_a_time(server: ValkeyServer) -> None:
    async def story(one: ReaperTurn, two: ReaperTurn, client: Redis) -> None:
        assert await one.take()
        client.persist(TAKEN)  # however long this test is held up
        assert not await two.take()
        client.delete(TAKEN)  # as it does after TAKEN_MS
        assert await two.take()

    with_turns(server, story)


def test_a_missing_round_is_noticed(server: ValkeyServer) -> None:
    async def story(one: ReaperTurn, two: ReaperTurn, client: Redis) -> None:
        assert await two.is_missing()
        await one.note_done()
        assert not await two.is_missing()

    with_turns(server, story)


def test_a_clock_that_is_set_back_stops_no_reaper(server: ValkeyServer) -> None:
    """An hour back, a key lives an hour longer."""

    async def story(one: ReaperTurn, two: ReaperTurn, client: Redis) -> None:
        await one.take()
        await one.note_done()
        client.pexpire(TAKEN, HOUR_MS + TAKEN_MS)
        client.pexpire(REAPED, HOUR_MS + REAPED_S * 1_000)

        assert await two.is_missing()
        assert await two.take()
        assert client.pttl(TAKEN) <= TAKEN_MS

    with_turns(server, story)
