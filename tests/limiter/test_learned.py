"""What workers learn of a model together, on a real Valkey."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import pytest
from valkey_server import Valkey, until, valkey_server

from runner.limiter.learned import FIRST_RATIO, Learned, Tokens
from runner.rules.polling import Latency

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with valkey_server() as running:
        yield running


async def sees(learned: Learned, seen: int) -> None:
    async def enough() -> bool:
        return learned.latency("m").seen == seen

    await until(enough)


def test_an_unknown_model_is_taken_as_it_comes(valkey: Valkey) -> None:
    """No latency, and twice the estimate, since the first answers come late."""

    async def story() -> None:
        learned = Learned(valkey.url)
        assert learned.latency("m") == Latency()
        assert learned.token_ratio("m") == FIRST_RATIO
        assert not learned.costs("m").is_learnt
        await learned.close()

    asyncio.run(story())


def test_nothing_that_two_learn_at_once_is_lost(valkey: Valkey) -> None:
    """Both see the results of both; models are apart."""

    async def story() -> None:
        one, two = Learned(valkey.url), Learned(valkey.url)
        for nth in range(40):
            learned = (one, two)[nth % 2]
            learned.observe_latency("m", 0, 20)
            learned.observe_tokens("m", 100, 150)
            learned.observe_cost("m", 1_000, 2_000)
            await asyncio.sleep(0)
        await asyncio.gather(one.close(), two.close())
        reader = Learned(valkey.url)
        await sees(reader, 40)
        assert reader.token_ratio("m") == pytest.approx(1.5, rel=0.06)
        costs = reader.costs("m")
        assert costs.is_learnt
        assert costs.log_sum / costs.weight == pytest.approx(math.log(2))
        assert reader.latency("other") == Latency()
        await reader.close()

    asyncio.run(story())


def test_what_is_learnt_is_known_here_at_once_and_there_soon(valkey: Valkey) -> None:
    """A reader asks Redis at most once a second, and only because somebody reads."""

    async def story() -> None:
        here, there = Learned(valkey.url), Learned(valkey.url)
        there.latency("m")
        here.observe_latency("m", 0, 3, ready=False)
        assert here.latency("m").seen == 1
        await sees(there, 1)
        await asyncio.gather(here.close(), there.close())

    asyncio.run(story())


def test_the_ratio_is_of_sums_and_follows_the_latest(valkey: Valkey) -> None:
    """A mean of ratios would say 1.25 in the first case; old answers fade."""

    async def story() -> None:
        learned = Learned(valkey.url)
        for estimated, actual in ((1000, 500), (10, 20)) * 300:
            learned.observe_tokens("m", estimated, actual)
        assert learned.token_ratio("m") == pytest.approx(0.515, abs=0.02)
        for _ in range(800):
            learned.observe_tokens("m", 100, 300)
        assert learned.token_ratio("m") == pytest.approx(3, rel=0.05)
        await learned.close()

    asyncio.run(story())


@pytest.mark.parametrize("truth", [0.5, 0.8, 1.25, 2.0])
def test_the_ratio_comes_down_to_the_truth_from_above(truth: float) -> None:
    """Never below it on the way, which would overrun the limit; within 2 % after 100 answers."""
    known = Tokens()
    for answers in range(200):
        assert known.ratio >= truth * 0.999
        assert answers < 100 or known.ratio == pytest.approx(truth, rel=0.02)
        known = known.update(1000, round(1000 * truth))


def test_without_redis_a_process_learns_alone(valkey: Valkey) -> None:
    """And passes it on once Redis is back; a record that is none is no harm."""

    async def story() -> None:
        learned = Learned(valkey.url)
        valkey.stop()
        learned.observe_latency("m", 0, 3)
        assert learned.latency("m").results == 1
        assert learned._sharing is not None
        await asyncio.wait([learned._sharing])
        valkey.start()
        await learned._redis.hset("{runner}:learned", "m", "garbage")
        await learned.close()
        reader = Learned(valkey.url)
        await sees(reader, 1)
        await reader.close()

    asyncio.run(story())


def test_where_there_are_many_answers_a_part_of_the_jobs_teaches(valkey: Valkey) -> None:
    """All of a job's polls or none; when there are few again, all jobs teach."""

    async def story() -> None:
        learned = Learned(valkey.url)
        jobs = range(1000)
        assert all(learned.teaches("m", job) for job in jobs)
        for _ in range(300):
            learned.observe_latency("m", 0, 3)
        assert learned._sharing is not None
        await learned._sharing
        assert [job for job in jobs if learned.teaches("m", job)] == list(range(0, 1000, 2))
        assert all(learned.teaches("other", job) for job in jobs)
        learned.observe_latency("m", 0, 3)
        await learned._share(["m"])
        assert all(learned.teaches("m", job) for job in jobs)
        await learned.close()

    asyncio.run(story())
