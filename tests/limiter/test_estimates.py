"""Estimates for each model that workers share, on a real Valkey."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import pytest
from valkey_server import ValkeyServer, until, valkey_server

from runner.limiter.estimates import FIRST_RATIO, SharedEstimates, TokenRatio
from runner.limiter.store import connect
from runner.rules.sending.polling import Latency

if TYPE_CHECKING:
    from collections.abc import Iterator


class OpenedEstimates(SharedEstimates):
    """Estimates of a process with a Redis client of its own."""

    def __init__(self, url: str) -> None:
        super().__init__(connect(url))

    async def close(self) -> None:
        await super().close()
        await self._redis.aclose()


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    with valkey_server() as running:
        yield running


async def wait_for_polls(estimates: SharedEstimates, count: int) -> None:
    async def has_all() -> bool:
        return estimates.latency("m").seen == count

    await until(has_all)


def test_an_unknown_model_has_the_defaults(valkey: ValkeyServer) -> None:
    """No latency, and twice the estimated tokens, since the first answers arrive late."""

    async def story() -> None:
        estimates = OpenedEstimates(valkey.patient_url)
        assert estimates.latency("m") == Latency()
        assert estimates.token_ratio("m") == FIRST_RATIO
        assert not estimates.costs("m").is_learnt
        await estimates.close()

    asyncio.run(story())


def test_concurrent_observations_are_all_kept(valkey: ValkeyServer) -> None:
    """A third process reads the observations of two; other models are not changed."""

    async def story() -> None:
        one, two = OpenedEstimates(valkey.patient_url), OpenedEstimates(valkey.patient_url)
        for nth in range(40):
            observer = (one, two)[nth % 2]
            observer.observe_latency("m", 0, 20)
            observer.observe_tokens("m", 100, 150)
            observer.observe_cost("m", 1_000, 2_000)
            await asyncio.sleep(0)
        await asyncio.gather(one.close(), two.close())
        reader = OpenedEstimates(valkey.patient_url)
        await wait_for_polls(reader, 40)
        assert reader.token_ratio("m") == pytest.approx(1.5, rel=0.06)
        costs = reader.costs("m")
        assert costs.is_learnt
        assert costs.log_sum / costs.weight == pytest.approx(math.log(2))
        assert reader.latency("other") == Latency()
        await reader.close()

    asyncio.run(story())


def test_an_observation_is_visible_here_at_once_and_elsewhere_soon(valkey: ValkeyServer) -> None:
    """Reading an estimate starts a refresh from Redis, at most once a second."""

    async def story() -> None:
        here, there = OpenedEstimates(valkey.patient_url), OpenedEstimates(valkey.patient_url)
        there.latency("m")
        here.observe_latency("m", 0, 3, ready=False)
        assert here.latency("m").seen == 1
        await wait_for_polls(there, 1)
        await asyncio.gather(here.close(), there.close())

    asyncio.run(story())


def test_the_ratio_is_of_sums_and_follows_the_latest(valkey: ValkeyServer) -> None:
    """A mean of ratios would be 1.25 in the first case; old answers decay."""

    async def story() -> None:
        estimates = OpenedEstimates(valkey.patient_url)
        for estimated, actual in ((1000, 500), (10, 20)) * 300:
            estimates.observe_tokens("m", estimated, actual)
        assert estimates.token_ratio("m") == pytest.approx(0.515, abs=0.02)
        for _ in range(800):
            estimates.observe_tokens("m", 100, 300)
        assert estimates.token_ratio("m") == pytest.approx(3, rel=0.05)
        await estimates.close()

    asyncio.run(story())


@pytest.mark.parametrize("truth", [0.5, 0.8, 1.25, 2.0])
def test_the_ratio_approaches_the_true_one_from_above(truth: float) -> None:
    """It is never below it, which would overrun the limit; within 2 % after 100 answers."""
    tokens = TokenRatio()
    for answers in range(200):
        assert tokens.ratio >= truth * 0.999
        assert answers < 100 or tokens.ratio == pytest.approx(truth, rel=0.02)
        tokens = tokens.update(1000, round(1000 * truth))


def test_without_redis_a_process_uses_its_own_observations(valkey: ValkeyServer) -> None:
    """They are shared once Redis is back; an invalid record in Redis is replaced."""

    async def story() -> None:
        estimates = OpenedEstimates(valkey.patient_url)
        valkey.stop()
        estimates.observe_latency("m", 0, 3)
        assert estimates.latency("m").results == 1
        assert estimates._sharing is not None
        await asyncio.wait([estimates._sharing])
        valkey.start()
        await estimates._redis.hset("{runner}:learned", "m", "garbage")
        await estimates.close()
        reader = OpenedEstimates(valkey.patient_url)
        await wait_for_polls(reader, 1)
        await reader.close()

    asyncio.run(story())


def test_only_some_jobs_are_sampled_when_answers_are_many(valkey: ValkeyServer) -> None:
    """Every second job above ENOUGH observations a refresh; all jobs again when they are few."""

    async def story() -> None:
        estimates = OpenedEstimates(valkey.patient_url)
        jobs = range(1000)
        assert all(estimates.is_sampled("m", job) for job in jobs)
        for _ in range(300):
            estimates.observe_latency("m", 0, 3)
        assert estimates._sharing is not None
        await estimates._sharing
        assert [job for job in jobs if estimates.is_sampled("m", job)] == list(range(0, 1000, 2))
        assert all(estimates.is_sampled("other", job) for job in jobs)
        estimates.observe_latency("m", 0, 3)
        await estimates._share(["m"])
        assert all(estimates.is_sampled("m", job) for job in jobs)
        await estimates.close()

    asyncio.run(story())
