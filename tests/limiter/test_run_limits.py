"""The limits that runs have for themselves, by the limiters of several processes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from redis import Redis
from test_limiter import OpenedLimiter, limiter, used
from valkey_server import until

from runner.limiter.limits import RateLimits, RunLimits
from runner.limiter.slots import run_of, slot_id, tokens_of

if TYPE_CHECKING:
    from valkey_server import ValkeyServer

    from runner.limiter.limiter import Limiter
    from runner.limiter.store import Entries

MANY = RateLimits(rpm=60_000, tpm=0)
NO_LIMIT = RateLimits(rpm=0, tpm=0)
SLOW = RunLimits(run=7, rpm=60)


@pytest.fixture
def valkey(server: ValkeyServer) -> ValkeyServer:
    with Redis.from_url(server.url) as client:
        client.flushall()
    return server


async def used_by_run(limits: Limiter, run: int) -> tuple[int, int]:
    view = await limits._store.view(run)
    return view.requests, view.tokens


def test_a_slot_names_the_run_whose_bucket_has_it() -> None:
    """So any process can settle it in both, from the name that is stored with the attempt."""
    assert (run_of("p-3:1@7:970"), tokens_of("p-3:1@7:970")) == (7, 970)
    assert (run_of("p-3:1:970"), run_of("")) == (None, None)
    assert (slot_id("p-3", 1, 970, 7), slot_id("p-3", 1, 970, None)) == ("p-3:1@7:970", "p-3:1:970")


def test_the_limit_of_a_run_binds_that_run_alone(valkey: ValkeyServer) -> None:
    """It learns when to ask again, and that its own limit is why; another run gets all it asked for."""

    async def story() -> None:
        async with limiter(valkey) as limits:
            slow, fast = await asyncio.gather(
                limits.reserve("b", [1] * 20, MANY, run_limits=SLOW),
                limits.reserve("b", [1] * 20, MANY, run_limits=RunLimits(run=8)),
            )
            assert 0 < len(slow.slots) < 5
            assert slow.is_own_limit
            assert slow.retry_after_s is not None
            assert (len(fast.slots), fast.retry_after_s, fast.is_own_limit) == (20, None, False)
            assert (await used_by_run(limits, 7))[0] == len(slow.slots)
            assert await used_by_run(limits, 8) == (0, 0)

    asyncio.run(story())


def test_it_holds_for_all_processes_and_all_models_of_the_run(valkey: ValkeyServer) -> None:
    """Its bucket is one, whichever process sends, and to whichever model."""

    async def story() -> None:
        async with limiter(valkey) as one, limiter(valkey) as two:
            first = await one.reserve("b", [1] * 20, MANY, run_limits=SLOW)
            second = await two.reserve("c", [1] * 20, MANY, run_limits=SLOW)
            assert (len(first.slots) > 0, second.slots, second.is_own_limit) == (True, [], True)

    asyncio.run(story())


def test_any_process_confirms_and_settles_in_both_buckets(valkey: ValkeyServer) -> None:
    """It needs the slot's id only."""

    async def story() -> None:
        async with limiter(valkey) as sender:
            kept, freed = (await sender.reserve("b", [10, 10], MANY, run_limits=SLOW)).slots
            sender.confirm(kept)
            sender.release(freed)
        async with limiter(valkey) as collector:
            collector.settle("b", kept.id, 25)

            async def is_settled() -> bool:
                return await used(collector, "b") == await used_by_run(collector, 7) == (1, 25)

            await until(is_settled)

    asyncio.run(story())


def test_a_run_keeps_its_limit_where_the_model_has_none(valkey: ValkeyServer) -> None:
    """Where nothing is limited Redis is hardly asked, but for such a run."""

    async def story() -> None:
        async with limiter(valkey) as limits:
            await limits.reserve("b", [1], NO_LIMIT)
            free = await limits.reserve("b", [1] * 50, NO_LIMIT)
            assert [slot.id for slot in free.slots] == [""] * 50
            own = await limits.reserve("b", [1] * 50, NO_LIMIT, run_limits=SLOW)
            assert 0 < len(own.slots) < 5

    asyncio.run(story())


def test_an_emptied_redis_is_rebuilt_with_the_buckets_of_runs(valkey: ValkeyServer) -> None:
    """What a run sent within the last minute counts against its own limit again."""

    async def story() -> None:
        async def rebuild() -> Entries:
            return {"b": [(1_000_000, 5)] * 60, 7: [(1_000_000, 5)] * 60}

        limits = OpenedLimiter(valkey.patient_url, rebuild=rebuild)
        own = await limits.reserve("b", [1], MANY, run_limits=SLOW)
        other = await limits.reserve("b", [1], MANY, run_limits=RunLimits(run=8))
        assert (own.slots, own.is_own_limit, len(other.slots)) == ([], True, 1)
        assert await used_by_run(limits, 7) == (60, 300)
        await limits.close()

    asyncio.run(story())


def test_slots_cost_what_they_use_most_of_a_limit() -> None:
    """By which runs with long and with short prompts are compared."""
    limits = RateLimits(rpm=60, tpm=6_000)
    assert limits.minutes_of([10, 10]) == pytest.approx(2 / 60)
    assert limits.minutes_of([600]) == pytest.approx(0.1)
    assert 0 < NO_LIMIT.minutes_of([600]) < 1e-5
