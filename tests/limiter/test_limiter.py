"""The limiter as its callers see it, on a real Valkey."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis
from valkey_server import Valkey, until, valkey_server

from runner.limiter.limiter import Caps, Grant, Limiter, LimiterUnavailable, Slot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

NOTHING_KNOWN = Caps()
NO_LIMIT = Caps(rpm=0, tpm=0)
FEW = Caps(rpm=120, tpm=0)
MANY = Caps(rpm=60_000, tpm=0)


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey_server() as running:
        yield running


@pytest.fixture
def valkey(server: Valkey) -> Valkey:
    with Redis.from_url(server.url) as client:
        client.flushall()
        client.config_resetstat()
    return server


@asynccontextmanager
async def limiter(
    valkey: Valkey, sent: dict[str, list[tuple[int, int]]] | None = None
) -> AsyncIterator[Limiter]:
    async def rebuild() -> dict[str, list[tuple[int, int]]]:
        return sent or {}

    opened = Limiter(valkey.url, rebuild=rebuild)
    try:
        yield opened
    finally:
        await opened.close()


def talks(valkey: Valkey) -> int:
    with Redis.from_url(valkey.url) as client:
        stats: Any = client.info("commandstats")
        return int(stats.get("cmdstat_evalsha", {"calls": 0})["calls"])


async def used(limits: Limiter, bucket: str) -> tuple[int, int]:
    view = await limits.view(bucket)
    return view.requests, view.tokens


def test_slots_come_in_order_and_the_rest_is_asked_for_again(valkey: Valkey) -> None:
    """Granted are the first ones; `again_s` is long enough not to spin and short enough to lose nothing."""

    async def story() -> None:
        async with limiter(valkey) as limits:
            grant = await limits.reserve("b", [1] * 500, MANY, NOTHING_KNOWN)
            fires = [slot.fire_at for slot in grant.slots]
            assert fires == sorted(fires)
            assert 100 < len(fires) < 500
            assert grant.again_s == pytest.approx(0.2)
            assert (await limits.reserve("c", [1], MANY, NOTHING_KNOWN)).again_s is None

    asyncio.run(story())


def test_no_two_slots_ever_share_an_id(valkey: Valkey) -> None:
    """Not in one process, not in two: an id used again would replace a live entry of the log."""

    async def story() -> None:
        async with limiter(valkey) as one, limiter(valkey) as two:
            grants = [await by.reserve("b", [1, 1], MANY, NOTHING_KNOWN) for by in (one, two) * 10]
            ids = {slot.id for grant in grants for slot in grant.slots}
            assert len(ids) == 40
            assert await used(one, "b") == (40, 40)

    asyncio.run(story())


def test_who_asks_at_the_same_time_is_served_in_one_talk(valkey: Valkey) -> None:
    """And in the order of asking, by the lowest of their limits."""

    async def story() -> None:
        async with limiter(valkey) as limits:
            await limits.reserve("b", [], FEW, NOTHING_KNOWN)
            before = talks(valkey)
            caps = [MANY, FEW, MANY]
            grants = await asyncio.gather(*(limits.reserve("b", [1], cap, NOTHING_KNOWN) for cap in caps))
            assert talks(valkey) - before == 1
            assert [len(grant.slots) for grant in grants] == [1, 0, 0]
            assert grants[1].again_s is not None

    asyncio.run(story())


def test_buckets_are_independent(valkey: Valkey) -> None:
    """A full or paused bucket holds up no other."""

    async def story() -> None:
        async with limiter(valkey) as limits:
            limits.pause("a", 30, rate_limited=True)
            assert (await limits.reserve("a", [1], FEW, NOTHING_KNOWN)).slots == []
            assert len((await limits.reserve("b", [1], FEW, NOTHING_KNOWN)).slots) == 1

    asyncio.run(story())


def test_a_pause_is_obeyed_by_all(valkey: Valkey) -> None:
    """By other processes, by slots already granted, and by those who have no limit; a longer one stands."""

    async def story() -> None:
        async with limiter(valkey) as one, limiter(valkey) as two:
            granted = (await one.reserve("b", [1], FEW, NOTHING_KNOWN)).slots[0]
            assert one.usable(granted)
            one.pause("b", 20, rate_limited=False)
            one.pause("b", 5, rate_limited=False)
            assert not one.usable(granted)
            assert one.paused_until("b") - asyncio.get_running_loop().time() == pytest.approx(20, abs=1)

            async def told() -> bool:
                return (await one.view("b")).paused_s > 0

            await until(told)
            for caps in (FEW, NO_LIMIT):
                grant = await two.reserve("b", [1], caps, NOTHING_KNOWN)
                assert grant == Grant(slots=[], again_s=1.0)
            assert two.paused_until("b") - asyncio.get_running_loop().time() == pytest.approx(20, abs=1)

    asyncio.run(story())


def test_an_overslept_slot_is_not_used(valkey: Valkey) -> None:
    """The log counted on its time; sent late, it might meet the slots of others."""

    async def story() -> None:
        async with limiter(valkey) as limits:
            now = asyncio.get_running_loop().time()
            assert limits.usable(Slot(id="x:1:1", bucket="b", tokens=1, fire_at=now - 0.1))
            assert not limits.usable(Slot(id="x:1:1", bucket="b", tokens=1, fire_at=now - 1))
            assert limits.usable(Slot(id="", bucket="b", tokens=1, fire_at=now - 1))

    asyncio.run(story())


def test_news_reaches_redis_without_another_ask(valkey: Valkey) -> None:
    """Confirmed, settled and released slots are told within moments, in few talks."""

    async def story() -> None:
        async with limiter(valkey) as limits:
            grant = await limits.reserve("b", [10, 10, 10], MANY, NOTHING_KNOWN)
            before = talks(valkey)
            for slot in grant.slots:
                limits.confirm(slot)
            limits.settle("b", grant.slots[0].id, 25)
            limits.release(grant.slots[2])
            looks = 0

            async def told() -> bool:
                nonlocal looks
                looks += 1
                return await used(limits, "b") == (2, 35)

            await until(told)
            assert talks(valkey) - before - looks < 5  # so many things were told

    asyncio.run(story())


def test_whoever_brings_the_answer_settles_the_slot(valkey: Valkey) -> None:
    """By its name alone; one that has left the log changes nothing."""

    async def story() -> None:
        async with limiter(valkey) as sender:
            slot = (await sender.reserve("b", [10], MANY, NOTHING_KNOWN)).slots[0]
            sender.confirm(slot)
        async with limiter(valkey) as collector:
            collector.settle("b", slot.id, 25)
            collector.settle("b", "gone:1:40", 400)

            async def told() -> bool:
                return await used(collector, "b") == (1, 25)

            await until(told)


def test_a_confirmation_after_the_settling_counts_twice_never_too_little(valkey: Valkey) -> None:
    """The log cannot know a settled slot by its old name; for one window it holds both."""

    async def story() -> None:
        async with limiter(valkey) as sender, limiter(valkey) as collector:
            slot = (await sender.reserve("b", [10], MANY, NOTHING_KNOWN)).slots[0]
            collector.settle("b", slot.id, 25)

            async def settled() -> bool:
                return await used(collector, "b") == (1, 25)

            await until(settled)
            sender.confirm(slot)

            async def confirmed() -> bool:
                return await used(collector, "b") == (2, 35)

            await until(confirmed)

    asyncio.run(story())


def test_polls_are_charged_for_all_when_refused(valkey: Valkey) -> None:
    """Found by one process, known to another within moments; a poll's slot then comes first."""

    async def story() -> None:
        async with limiter(valkey) as one, limiter(valkey) as two:
            await one.reserve("b", [1], FEW, NOTHING_KNOWN)
            one.polled("b", refused=True)
            assert not two.polls_charged("b")
            for _ in range(3):
                one.polled("b", refused=True)
            one.polled("b", refused=False)

            async def charged() -> bool:
                two._buckets["b"]._looked_at = two._buckets["b"].heard_at = -1e9
                return two.polls_charged("b")

            await until(charged)
            submit, poll = await asyncio.gather(
                two.reserve("b", [9], FEW, NOTHING_KNOWN, 2.0),
                two.reserve("b", [0], FEW, NOTHING_KNOWN, 2.0, is_poll=True),
            )
            assert poll.slots[0].fire_at < submit.slots[0].fire_at

    asyncio.run(story())


def test_news_is_told_at_the_latest_when_closing(valkey: Valkey) -> None:
    """Slots given back by a process that ends are free for the others."""

    async def story() -> None:
        async with limiter(valkey) as other:
            async with limiter(valkey) as limits:
                grant = await limits.reserve("b", [7], FEW, NOTHING_KNOWN)
                limits.release(grant.slots[0])
            assert await used(other, "b") == (0, 0)

    asyncio.run(story())


@pytest.mark.parametrize("granted_first", [False, True])
def test_whoever_gives_up_asking_leaves_no_slot_behind(valkey: Valkey, granted_first: bool) -> None:
    """Cancelled while Redis is asked, or after the slot was granted and before the asker could take it."""

    async def story() -> None:
        async with limiter(valkey) as limits:
            await limits.reserve("b", [], FEW, NOTHING_KNOWN)
            asking = asyncio.create_task(limits.reserve("b", [1], MANY, NOTHING_KNOWN))
            await asyncio.sleep(0)
            granted = limits._buckets["b"]._asks[0].granted
            await asyncio.sleep(0)  # now the talk is under way
            while granted_first and not granted.done():  # noqa: ASYNC110 - the very next step counts
                await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            talking = limits._buckets["b"]._talking
            if talking is not None:
                await asyncio.wait([talking])

            async def nothing_left() -> bool:
                return await used(limits, "b") == (0, 0)

            await until(nothing_left)

    asyncio.run(story())


def test_an_emptied_redis_is_rebuilt_before_anything_is_granted(valkey: Valkey) -> None:
    """Once, however many ask; the slots of the last minute count again."""

    async def story() -> None:
        rebuilt = 0

        async def rebuild() -> dict[str, list[tuple[int, int]]]:
            nonlocal rebuilt
            rebuilt += 1
            await asyncio.sleep(0)
            return {"b": [(1_000_000, 50), (2_000_000, 60), (61_000_000, 70)], "c": []}

        limits = Limiter(valkey.url, rebuild=rebuild)
        two = Caps(rpm=2, tpm=0)
        grants = await asyncio.gather(*(limits.reserve(b, [1], two, NOTHING_KNOWN) for b in ("b", "c", "d")))
        assert [len(grant.slots) for grant in grants] == [0, 1, 1]
        assert await used(limits, "b") == (2, 110)
        assert rebuilt == 1
        with Redis.from_url(valkey.url) as client:
            client.flushall()
        await limits.reserve("d", [1], two, NOTHING_KNOWN)
        assert rebuilt == 2
        await limits.close()

    asyncio.run(story())


def test_a_rebuild_that_fails_grants_nothing(valkey: Valkey) -> None:
    """Its error goes to those who ask, and the next ask tries again."""

    async def story() -> None:
        async def rebuild() -> dict[str, list[tuple[int, int]]]:
            raise RuntimeError("no database")

        limits = Limiter(valkey.url, rebuild=rebuild)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="no database"):
                await limits.reserve("b", [1], FEW, NOTHING_KNOWN)
        assert await used(limits, "b") == (0, 0)
        await limits.close()

    asyncio.run(story())


def test_without_redis_nothing_is_sent_and_news_waits_for_it() -> None:
    """Every ask fails in words; once Redis is back, asks are answered and the news kept is told."""

    async def story(valkey: Valkey) -> None:
        async with limiter(valkey) as limits:
            slot = (await limits.reserve("b", [5], FEW, NOTHING_KNOWN)).slots[0]
            valkey.stop()
            limits.confirm(slot)
            for caps in (FEW, NO_LIMIT):
                with pytest.raises(LimiterUnavailable, match="does not answer"):
                    await limits.reserve("new", [1], caps, NOTHING_KNOWN)
            valkey.start()
            await limits.reserve("b", [], FEW, NOTHING_KNOWN)
            assert await used(limits, "b") == (1, 5)

    with valkey_server() as server:
        asyncio.run(story(server))


def test_closing_without_redis_ends_soon() -> None:
    """News that nobody can hear does not hold up the end."""

    async def story(valkey: Valkey) -> None:
        async with asyncio.timeout(4), limiter(valkey) as limits:
            slot = (await limits.reserve("b", [5], FEW, NOTHING_KNOWN)).slots[0]
            valkey.stop()
            limits.confirm(slot)

    with valkey_server() as server:
        asyncio.run(story(server))


def test_without_limits_redis_is_hardly_asked(valkey: Valkey) -> None:
    """Only now and then, for the pauses of others."""

    async def story() -> None:
        async with limiter(valkey) as limits:
            await limits.reserve("b", [1], NO_LIMIT, NOTHING_KNOWN)
            before = talks(valkey)
            for _ in range(100):
                grant = await limits.reserve("b", [1, 1], NO_LIMIT, NOTHING_KNOWN)
                limits.confirm(grant.slots[0])
            assert (len(grant.slots), grant.again_s) == (2, None)
            assert talks(valkey) - before <= 1
            assert await used(limits, "b") == (0, 0)

    asyncio.run(story())


def test_announced_limits_are_told_when_they_change(valkey: Valkey) -> None:
    """Every reply repeats them; only news travels. What is not said keeps its last value."""

    async def story() -> None:
        async with limiter(valkey) as limits:
            await limits.reserve("b", [], FEW, NOTHING_KNOWN)
            before = talks(valkey)
            for rpm, tpm in ((600, 9000), (600, 9000), (600, None), (None, None)):
                limits.announce("b", rpm, tpm)
            await limits.reserve("b", [1], NOTHING_KNOWN, FEW)
            assert talks(valkey) - before == 1
            view = await limits.view("b")
            assert (view.rpm, view.tpm, view.rps) == (600, 9000, 12)

    asyncio.run(story())


def test_a_refusal_slows_everybody_down(valkey: Valkey) -> None:
    """And everybody sees by how much."""

    async def story() -> None:
        async with limiter(valkey) as one, limiter(valkey) as two:
            await one.reserve("b", [1], FEW, NOTHING_KNOWN)
            one.pause("b", 0.01, rate_limited=True)

            async def told() -> bool:
                return (await two.view("b")).share < 1

            await until(told)
            assert (await two.view("b")).share == pytest.approx(0.9, abs=0.011)

    asyncio.run(story())
