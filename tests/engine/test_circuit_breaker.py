"""The breaker on a real Valkey: all workers see one window of a run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from valkey_server import ValkeyServer, count_scripts, valkey_server

from runner.db.jobs.job_ids import job_id
from runner.db.workers.leases import Lease
from runner.engine.runs.circuit_breaker import FAILED_KEPT, CircuitBreaker, Endpoint
from runner.limiter.outcome_window import OutcomeWindow
from runner.limiter.store import connect
from runner.rules.sending.breaker import WINDOW
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

RUN = 7
LEASE = Lease(job_id=job_id(RUN, 0), gen=1, attempt=1)


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    with valkey_server() as running:
        yield running


class OpenedBreaker(CircuitBreaker):
    """The breaker of a process with a Redis client of its own."""

    def __init__(
        self,
        url: str,
        pause: Callable[[int, PauseReason, str], Awaitable[None]],
        are_most_missing: Callable[[Sequence[Lease]], Awaitable[bool]],
    ) -> None:
        self._redis = connect(url)
        super().__init__(OutcomeWindow(self._redis, WINDOW), pause, are_most_missing)

    async def close(self) -> None:
        await self.flush()
        await self._redis.aclose()


class Pauses:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, PauseReason, str]] = []

    async def pause(self, run_id: int, reason: PauseReason, why: str) -> None:
        self.told.append((run_id, reason, why))


async def always(_: Sequence[Lease]) -> bool:
    """Answer that most answers of that time are missing."""
    return True


async def see(breaker: CircuitBreaker, *ends: tuple[bool, int], door: Endpoint = Endpoint.SUBMIT) -> None:
    """Let a breaker see ends one after the other; (bad, how many) each."""
    for bad, n in ends:
        for _ in range(n):
            breaker.record(LEASE, door, bad=bad)
            await breaker.flush()


def test_two_workers_are_as_careful_as_one(valkey: ValkeyServer) -> None:
    """Ten bad ends at each are twenty of the run; it is paused once, and told of in numbers."""

    async def story() -> Pauses:
        pauses = Pauses()
        one, two = (
            OpenedBreaker(valkey.url, pauses.pause, always),
            OpenedBreaker(valkey.url, pauses.pause, always),
        )
        await see(one, (True, 10))
        assert pauses.told == []
        await see(two, (True, 10))
        await one.close()
        await two.close()
        return pauses

    ((run_id, reason, why),) = asyncio.run(story()).told

    assert (run_id, reason) == (RUN, PauseReason.BREAKER)
    assert "20 of the last 20 requests" in why


def test_good_ends_of_the_others_count(valkey: ValkeyServer) -> None:
    """One worker whose network breaks does not stop a run that goes well elsewhere; fetches are apart."""

    async def story() -> Pauses:
        pauses = Pauses()
        one, two = (
            OpenedBreaker(valkey.url, pauses.pause, always),
            OpenedBreaker(valkey.url, pauses.pause, always),
        )
        await see(one, (True, 19))
        await see(two, (False, 20), (True, 1))
        await see(two, (True, 19), door=Endpoint.FETCH)
        await one.close()
        await two.close()
        return pauses

    assert asyncio.run(story()).told == []


def test_after_it_tripped_it_begins_anew(valkey: ValkeyServer) -> None:
    """Else a run that a person set to work again would stop at its first bad end."""

    async def story() -> Pauses:
        pauses = Pauses()
        breaker = OpenedBreaker(valkey.url, pauses.pause, always)
        await see(breaker, (True, 20))  # settled: what ends while it trips belongs to the old window
        await see(breaker, (True, 19))
        assert len(pauses.told) == 1
        await see(breaker, (True, 1))
        await breaker.close()
        return pauses

    assert len(asyncio.run(story()).told) == 2


def test_ends_at_the_same_time_share_a_round_trip(valkey: ValkeyServer) -> None:
    """The first to be recorded takes all of them along."""

    async def story() -> int:
        breaker = OpenedBreaker(valkey.url, Pauses().pause, always)
        await see(breaker, (True, 1))
        before = count_scripts(valkey)
        for _ in range(5):
            breaker.record(LEASE, Endpoint.SUBMIT, bad=True)
        await breaker.close()
        return count_scripts(valkey) - before

    assert asyncio.run(story()) == 1


def test_a_pause_that_fails_is_tried_again_at_the_next_bad_end(
    valkey: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The window is kept until the run is paused; why it was not is logged."""

    async def story() -> Pauses:
        pauses, fails = Pauses(), [True]

        async def pause(run_id: int, reason: PauseReason, why: str) -> None:
            if fails.pop() if fails else False:
                raise ValueError("the database refuses")
            await pauses.pause(run_id, reason, why)

        breaker = OpenedBreaker(valkey.url, pause, always)
        await see(breaker, (True, 20))
        assert pauses.told == []
        await see(breaker, (True, 1))
        await breaker.close()
        return pauses

    assert len(asyncio.run(story()).told) == 1
    assert 'task.failed name="breaker of run 7" cause="the database refuses"' in caplog.text


def test_without_redis_each_goes_by_its_own(valkey: ValkeyServer) -> None:
    """It is not the time to pay for nothing."""

    async def story() -> Pauses:
        pauses = Pauses()
        valkey.stop()
        breaker = OpenedBreaker(valkey.url, pauses.pause, always)
        await see(breaker, (True, 20))
        await breaker.close()
        return pauses

    assert len(asyncio.run(story()).told) == 1


def test_fetches_trip_it_only_if_most_answers_of_their_time_are_missing(valkey: ValkeyServer) -> None:
    """At the end of a run its few losses can be all of the last outcomes; submits are told at once."""

    async def story() -> tuple[Pauses, list[int], Pauses]:
        asked: list[int] = []
        of_fetches, of_submits = Pauses(), Pauses()

        async def are_most_missing(failed: Sequence[Lease]) -> bool:
            asked.append(len(failed))
            return len(asked) > 2

        breaker = OpenedBreaker(valkey.url, of_fetches.pause, are_most_missing)
        await see(breaker, (False, 5), (True, 21), door=Endpoint.FETCH)
        assert of_fetches.told == []
        await see(breaker, (True, 1), door=Endpoint.FETCH)
        await breaker.close()
        submits = OpenedBreaker(valkey.url, of_submits.pause, are_most_missing)
        await see(submits, (True, 20))
        await submits.close()
        return of_fetches, asked, of_submits

    of_fetches, asked, of_submits = asyncio.run(story())
    assert (len(of_fetches.told), asked) == (1, [FAILED_KEPT] * 3)
    assert len(of_submits.told) == 1
