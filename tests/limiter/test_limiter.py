"""The limiter client, on a real Valkey."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest
from limiter_script import nothing_set
from redis import Redis
from valkey_server import ValkeyServer, count_scripts, until, valkey_server

from runner.limiter import limiter as limiter_of
from runner.limiter.limiter import (
    LATE_S_MAX,
    UNLIMITED_REFRESH_S,
    Grant,
    Limiter,
    LimiterUnavailable,
    RateLimits,
    Slot,
)
from runner.limiter.store import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from runner.limiter.store import Entries

NO_LIMIT = RateLimits(rpm=0, tpm=0)
FEW = RateLimits(rpm=120, tpm=0)
MANY = RateLimits(rpm=60_000, tpm=0)
PAUSE_S: Final = 600.0  # longer than any test


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the last updates as long as they need: a busy machine may stop the server for seconds."""
    monkeypatch.setattr(limiter_of, "CLOSE_S", 60.0)


class StoppedClock:
    """A clock of a limiter that moves only when a test changes `now_s`."""

    def __init__(self) -> None:
        self.now_s = time.monotonic()

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def valkey(server: ValkeyServer) -> ValkeyServer:
    with Redis.from_url(server.url) as client:
        client.flushall()
        client.config_resetstat()
    return server


class OpenedLimiter(Limiter):
    """The limiter of a process with a Redis client of its own."""

    def __init__(
        self,
        url: str,
        *,
        rebuild: Callable[[], Awaitable[Entries]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = connect(url)
        super().__init__(self._redis, rebuild=rebuild, team_limits=nothing_set, clock=clock)

    async def close(self) -> None:
        await super().close()
        await self._redis.aclose()


@asynccontextmanager
async def limiter(
    valkey: ValkeyServer, sent: Entries | None = None, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[Limiter]:
    async def rebuild() -> Entries:
        return sent or {}

    opened = OpenedLimiter(valkey.patient_url, rebuild=rebuild, clock=clock)
    try:
        yield opened
    finally:
        await opened.close()


async def used(limits: Limiter, bucket: str) -> tuple[int, int]:
    view = await limits._store.view(bucket)
    return view.requests, view.tokens


def test_slots_come_in_order_and_the_rest_is_requested_again(valkey: ValkeyServer) -> None:
    """The first slots are granted; `retry_after_s` is half the horizon, so that no time is lost."""

    async def story() -> None:
        async with limiter(valkey) as limits:
            grant = await limits.reserve("b", [1] * 500, MANY)
            fires = [slot.fire_at for slot in grant.slots]
            assert fires == sorted(fires)
            assert 100 < len(fires) < 500
            assert grant.retry_after_s == pytest.approx(0.2)
            assert (await limits.reserve("c", [1], MANY)).retry_after_s is None

    asyncio.run(story())


def test_no_two_slots_ever_share_an_id(valkey: ValkeyServer) -> None:
    """Neither in one process nor in two: a repeated id would replace an entry of the log."""

    async def story() -> None:
        async with limiter(valkey) as one, limiter(valkey) as two:
            grants = [await limits.reserve("b", [1, 1], MANY) for limits in (one, two) * 10]
            ids = {slot.id for grant in grants for slot in grant.slots}
            assert len(ids) == 40
            assert await used(one, "b") == (40, 40)

    asyncio.run(story())


def test_requests_at_the_same_time_share_one_round_trip(valkey: ValkeyServer) -> None:
    """They are served in their order, by the lowest of their limits."""

    async def story() -> None:
        async with limiter(valkey) as limits:
            await limits.reserve("b", [], FEW)
            before = count_scripts(valkey)
            caps = [MANY, FEW, MANY]
            grants = await asyncio.gather(*(limits.reserve("b", [1], cap) for cap in caps))
            assert count_scripts(valkey) - before == 1
            assert [len(grant.slots) for grant in grants] == [1, 0, 0]
            assert grants[1].retry_after_s is not None

    asyncio.run(story())


def test_buckets_are_independent(valkey: ValkeyServer) -> None:
    """A paused bucket delays no other."""

    async def story() -> None:
        async with limiter(valkey) as limits:
            limits.pause("a", PAUSE_S, rate_limited=True)
            assert (await limits.reserve("a", [1], FEW)).slots == []
            assert len((await limits.reserve("b", [1], FEW)).slots) == 1

    asyncio.run(story())


def test_a_pause_is_obeyed_by_all(valkey: ValkeyServer) -> None:
    """By other processes, for granted slots, and by runs without limits; a longer pause stays."""

    async def story() -> None:
        clock = StoppedClock()
        async with limiter(valkey, clock=clock) as one, limiter(valkey, clock=clock) as two:
            (slot,) = (await one.reserve("b", [1], FEW)).slots
            assert one.usable(slot)
            one.pause("b", PAUSE_S, rate_limited=False)
            one.pause("b", 5, rate_limited=False)
            assert one.paused_s("b") == pytest.approx(PAUSE_S)
            assert not one.usable(slot)

            async def is_paused() -> bool:
                return (await one._store.view("b")).paused_s > 0

            await until(is_paused)
            for caps in (FEW, NO_LIMIT):
                grant = await two.reserve("b", [1], caps)
                assert grant == Grant(slots=[], retry_after_s=1.0)
            assert 0 < two.paused_s("b") <= PAUSE_S

    asyncio.run(story())


def test_a_late_slot_is_not_used(valkey: ValkeyServer) -> None:
    """Sent late, it could meet the slots of other processes. Without limits a slot is never late."""

    async def story() -> None:
        clock = StoppedClock()
        async with limiter(valkey, clock=clock) as limits:
            now = clock.now_s
            assert limits.usable(Slot(id="x:1:1", bucket="b", fire_at=now - LATE_S_MAX + 0.01))
            assert not limits.usable(Slot(id="x:1:1", bucket="b", fire_at=now - LATE_S_MAX - 0.01))
            assert limits.usable(Slot(id="", bucket="b", fire_at=now - 1))

    asyncio.run(story())


def test_updates_reach_redis_without_a_slot_request(valkey: ValkeyServer) -> None:
    """Confirmed, settled and released slots are sent soon, in few round trips."""

    async def story() -> None:
        async with limiter(valkey) as limits:
            grant = await limits.reserve("b", [10, 10, 10], MANY)
            before = count_scripts(valkey)
            for slot in grant.slots:
                limits.confirm(slot)
            limits.settle("b", grant.slots[0].id, 25)
            limits.release(grant.slots[2])
            views = 0

            async def is_sent() -> bool:
                nonlocal views
                views += 1
                return await used(limits, "b") == (2, 35)

            await until(is_sent)
            assert count_scripts(valkey) - before - views < 5  # the number of updates

    asyncio.run(story())


def test_any_process_may_settle_a_slot(valkey: ValkeyServer) -> None:
    """It needs the slot's id only. A slot that is not in the log changes nothing."""

    async def story() -> None:
        async with limiter(valkey) as sender:
            slot = (await sender.reserve("b", [10], MANY)).slots[0]
            sender.confirm(slot)
        async with limiter(valkey) as collector:
            collector.settle("b", slot.id, 25)
            collector.settle("b", "gone:1:40", 400)

            async def is_settled() -> bool:
                return await used(collector, "b") == (1, 25)

            await until(is_settled)

    asyncio.run(story())


def test_a_slot_confirmed_after_it_was_settled_counts_twice(valkey: ValkeyServer) -> None:
    """Settling changes its member in the log, so confirming adds another. That never counts too little."""

    async def story() -> None:
        async with limiter(valkey) as sender, limiter(valkey) as collector:
            slot = (await sender.reserve("b", [10], MANY)).slots[0]
            collector.settle("b", slot.id, 25)

            async def is_settled() -> bool:
                return await used(collector, "b") == (1, 25)

            await until(is_settled)
            sender.confirm(slot)

            async def is_confirmed() -> bool:
                return await used(collector, "b") == (2, 35)

            await until(is_confirmed)

    asyncio.run(story())


def test_polls_are_charged_for_all_when_refused(valkey: ValkeyServer) -> None:
    """429s seen by one process are soon known to another; the slots of its polls then come first."""

    async def story() -> None:
        async with limiter(valkey) as one, limiter(valkey) as two:
            await one.reserve("b", [1], FEW)
            one.record_poll("b", refused=True)
            assert not two.polls_charged("b")
            for _ in range(3):
                one.record_poll("b", refused=True)
            one.record_poll("b", refused=False)

            async def are_charged() -> bool:
                two._buckets["b"]._refresh_started_at = two._buckets["b"].refreshed_at = -1e9
                return two.polls_charged("b")

            await until(are_charged)
            submit, poll = await asyncio.gather(
                two.reserve("b", [9], FEW, 2.0),
                two.reserve("b", [0], FEW, 2.0, is_poll=True),
            )
            assert poll.slots[0].fire_at < submit.slots[0].fire_at

    asyncio.run(story())


def test_updates_are_sent_when_closing(valkey: ValkeyServer) -> None:
    """Slots that a process releases before its end are free for the others."""

    async def story() -> None:
        async with limiter(valkey) as other:
            async with limiter(valkey) as limits:
                grant = await limits.reserve("b", [7], FEW)
                limits.release(grant.slots[0])
            assert await used(other, "b") == (0, 0)

    asyncio.run(story())


@pytest.mark.parametrize("granted_first", [False, True])
def test_a_cancelled_request_leaves_no_slot_behind(valkey: ValkeyServer, granted_first: bool) -> None:
    """Cancelled during the round trip, or after the slot was granted and before the caller received it."""

    async def story() -> None:
        async with limiter(valkey) as limits:
            await limits.reserve("b", [], FEW)
            request = asyncio.create_task(limits.reserve("b", [1], MANY))
            await asyncio.sleep(0)
            granted = limits._buckets["b"]._requests[0].granted
            await asyncio.sleep(0)  # now the round trip is under way
            while granted_first and not granted.done():  # noqa: ASYNC110 - the very next step counts
                await asyncio.sleep(0)
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
            flushing = limits._buckets["b"]._flushing
            if flushing is not None:
                await asyncio.wait([flushing])

            async def is_empty() -> bool:
                return await used(limits, "b") == (0, 0)

            await until(is_empty)

    asyncio.run(story())


def test_an_emptied_redis_is_rebuilt_before_anything_is_granted(valkey: ValkeyServer) -> None:
    """Once for any number of requests; the requests of the last minute count again."""

    async def story() -> None:
        rebuilt = 0

        async def rebuild() -> Entries:
            nonlocal rebuilt
            rebuilt += 1
            await asyncio.sleep(0)
            return {"b": [(1_000_000, 50), (2_000_000, 60), (61_000_000, 70)], "c": []}

        limits = OpenedLimiter(valkey.patient_url, rebuild=rebuild)
        two = RateLimits(rpm=2, tpm=0)
        grants = await asyncio.gather(*(limits.reserve(b, [1], two) for b in ("b", "c", "d")))
        assert [len(grant.slots) for grant in grants] == [0, 1, 1]
        assert await used(limits, "b") == (2, 110)
        assert rebuilt == 1
        with Redis.from_url(valkey.url) as client:
            client.flushall()
        await limits.reserve("d", [1], two)
        assert rebuilt == 2
        with Redis.from_url(valkey.url) as client:
            client.flushall()
        limits.pause("b", 1.0, rate_limited=False)  # nobody waits for a slot: it is done with the next one
        await limits._bucket("b").flush()
        assert rebuilt == 2
        await limits.close()

    asyncio.run(story())


def test_a_rebuild_that_fails_grants_nothing(valkey: ValkeyServer) -> None:
    """Its error is raised to the callers, and the next request tries again."""

    async def story() -> None:
        async def rebuild() -> Entries:
            raise RuntimeError("no database")

        limits = OpenedLimiter(valkey.patient_url, rebuild=rebuild)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="no database"):
                await limits.reserve("b", [1], FEW)
        assert await used(limits, "b") == (0, 0)
        await limits.close()

    asyncio.run(story())


def test_without_redis_nothing_is_sent_and_news_waits_for_it(caplog: pytest.LogCaptureFixture) -> None:
    """Every request raises; once Redis is back, slots are granted and the kept updates are sent.

    The log has a line for each end of the outage, not one for each request.
    """

    async def story(valkey: ValkeyServer) -> None:
        async with limiter(valkey) as limits:
            slot = (await limits.reserve("b", [5], FEW)).slots[0]
            valkey.stop()
            limits.confirm(slot)
            for caps in (FEW, NO_LIMIT):
                with pytest.raises(LimiterUnavailable, match="does not answer"):
                    await limits.reserve("new", [1], caps)
            valkey.start()
            await limits.reserve("b", [], FEW)
            assert await used(limits, "b") == (1, 5)

    with valkey_server() as server:
        asyncio.run(story(server))
    assert [message.split()[0] for message in caplog.messages] == ["limiter.unavailable", "limiter.available"]


@pytest.mark.parametrize("is_frozen", [False, True], ids=["gone", "frozen"])
def test_closing_without_redis_ends_soon(is_frozen: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Updates that cannot be sent delay the end for CLOSE_S at most, also where the client waits longer."""
    monkeypatch.setattr(limiter_of, "CLOSE_S", 0.05)

    async def story(valkey: ValkeyServer) -> None:
        async with asyncio.timeout(60), limiter(valkey) as limits:
            slot = (await limits.reserve("b", [5], FEW)).slots[0]
            if is_frozen:
                os.kill(valkey.pid, signal.SIGSTOP)
            else:
                valkey.stop()
            limits.confirm(slot)

    with valkey_server() as server:
        asyncio.run(story(server))


def test_without_limits_redis_is_hardly_asked(valkey: ValkeyServer) -> None:
    """Every UNLIMITED_REFRESH_S, for the pauses of other processes."""

    async def story() -> None:
        clock = StoppedClock()
        async with limiter(valkey, clock=clock) as limits:
            await limits.reserve("b", [1], NO_LIMIT)
            before = count_scripts(valkey)
            for _ in range(100):
                grant = await limits.reserve("b", [1, 1], NO_LIMIT)
                limits.confirm(grant.slots[0])
            assert (len(grant.slots), grant.retry_after_s) == (2, None)
            assert count_scripts(valkey) == before
            clock.now_s += UNLIMITED_REFRESH_S + 0.01
            await limits.reserve("b", [1], NO_LIMIT)
            assert count_scripts(valkey) == before + 1
            assert await used(limits, "b") == (1, 1)  # the call that found out that there is no limit

    asyncio.run(story())


def test_announced_limits_are_sent_when_they_change(valkey: ValkeyServer) -> None:
    """Every reply repeats them; only changes are sent. A limit that is not announced keeps its last value."""

    async def story() -> None:
        async with limiter(valkey) as limits:
            await limits.reserve("b", [], FEW)
            before = count_scripts(valkey)
            for rpm, tpm in ((600, 9000), (600, 9000), (600, None), (None, None)):
                limits.announce("b", rpm, tpm)
            await limits.reserve("b", [1], FEW)
            assert count_scripts(valkey) - before == 1
            view = await limits._store.view("b")
            assert (view.rpm, view.tpm, view.rps) == (600, 9000, 12)

    asyncio.run(story())


def test_a_429_slows_all_processes_down(valkey: ValkeyServer) -> None:
    """All of them then use 0.9 of the limits."""

    async def story() -> None:
        async with limiter(valkey) as one, limiter(valkey) as two:
            await one.reserve("b", [1], FEW)
            one.pause("b", 0.01, rate_limited=True)

            async def is_slower() -> bool:
                return (await two._store.view("b")).share < 1

            await until(is_slower)
            assert (await two._store.view("b")).share == pytest.approx(0.9, abs=0.011)

    asyncio.run(story())
