"""The limits that were set for a team, in Redis: an older version never replaces a newer one."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Final

import pytest
from redis import Redis
from test_limiter import limiter
from valkey_server import ValkeyServer, valkey_server

from runner.limiter.hand_over_limits import LimitsHandOver, hand_over, read_handed_over
from runner.limiter.limiter import Limiter
from runner.limiter.limits import RateLimits
from runner.limiter.store import LimiterUnavailable, NamedTeamLimits, connect
from runner.limiter.team_names import KEY as TEAMS_KEY
from runner.rules.sending.team_limits import TeamLimits, VersionedLimits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.limiter.store import Entries

TABLE: Final = RateLimits(rpm=120, tpm=200_000)
KEY: Final = "a fingerprint"
versions: Final = itertools.count(1_800_000_000_000)


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    with valkey_server() as running:
        yield running


def name_team(valkey: ValkeyServer) -> None:
    """Let the key belong to a team."""
    with Redis.from_url(valkey.url) as client:
        client.hset(TEAMS_KEY, KEY, "team")


def versioned(version: int | None = None, **limits: int) -> VersionedLimits:
    """Return limits with a version; without one with the next."""
    return VersionedLimits(
        limits=TeamLimits(**limits), version=next(versions) if version is None else version
    )


def set_limits(valkey: ValkeyServer, found: VersionedLimits, team: str | None = None) -> None:
    hand_over(valkey.patient_url, KEY, team, found)


def limits_in(valkey: ValkeyServer) -> TeamLimits:
    with Redis.from_url(valkey.patient_url) as client:
        return read_handed_over(client, KEY) or TeamLimits()


def test_what_is_handed_over_is_read_and_can_be_taken_back(valkey: ValkeyServer) -> None:
    """Each of the two alone; 0 is no limit."""
    name_team(valkey)
    assert limits_in(valkey) == TeamLimits()
    for found in (versioned(rpm=600, tpm=0), versioned(tpm=5_000), versioned()):
        set_limits(valkey, found)
        assert limits_in(valkey) == found.limits


def test_an_older_version_changes_nothing(valkey: ValkeyServer) -> None:
    """Whichever process brings it; one of the same version mends what was changed since."""
    name_team(valkey)
    set_limits(valkey, versioned(7, rpm=600))

    async def bring(version: int, rpm: int) -> None:
        redis = connect(valkey.patient_url)
        found = versioned(version, rpm=rpm)
        await LimitsHandOver(redis).hand_over(NamedTeamLimits(team="team", found=found))
        await redis.aclose()

    for version, rpm, expected in ((6, 1, 600), (0, 2, 600), (9, 900, 900), (8, 3, 900)):
        asyncio.run(bring(version, rpm))
        assert limits_in(valkey).rpm == expected
    with Redis.from_url(valkey.url) as client:
        client.hset("{runner}:team:team", "rpm", 5)
    asyncio.run(bring(9, 900))
    assert limits_in(valkey).rpm == 900


def test_the_name_of_the_team_is_that_of_the_workers(valkey: ValkeyServer) -> None:
    """Else that of the database; while neither knows it, the key stands for its team."""
    set_limits(valkey, versioned(rpm=300))
    assert limits_in(valkey).rpm == 300
    set_limits(valkey, versioned(rpm=200), "old name")
    name_team(valkey)
    assert limits_in(valkey) == TeamLimits()
    set_limits(valkey, versioned(rpm=100), "old name")
    assert limits_in(valkey).rpm == 100
    with Redis.from_url(valkey.url) as client:
        assert client.hget("{runner}:team:old name", "rpm") == b"200"


def test_workers_at_work_follow(valkey: ValkeyServer) -> None:
    """With the next call, whichever process it is; `none` lifts the model's limits."""

    async def in_force() -> RateLimits:
        async with limiter(valkey) as limits:
            await limits.reserve("team:b", [1], TABLE)
            return limits._bucket("team:b").in_force

    name_team(valkey)
    assert asyncio.run(in_force()) == RateLimits(rpm=120, tpm=200_000, rps=2)
    set_limits(valkey, versioned(rpm=480))
    assert asyncio.run(in_force()) == RateLimits(rpm=480, tpm=200_000, rps=10)
    set_limits(valkey, versioned(rpm=0, tpm=0))
    assert asyncio.run(in_force()) == RateLimits(rpm=0, tpm=0, rps=0)
    set_limits(valkey, versioned())
    assert asyncio.run(in_force()) == RateLimits(rpm=120, tpm=200_000, rps=2)


def test_a_limit_that_comes_back_is_met_by_workers_without_one(valkey: ValkeyServer) -> None:
    """They look every UNLIMITED_REFRESH_S."""
    name_team(valkey)

    async def story() -> None:
        set_limits(valkey, versioned(rpm=0, tpm=0))
        async with limiter(valkey) as limits:
            await limits.reserve("team:b", [1], TABLE)
            assert len((await limits.reserve("team:b", [1] * 500, TABLE)).slots) == 500
            set_limits(valkey, versioned(rpm=120, tpm=0))
            limits._bucket("team:b").refreshed_at = -1e9
            assert len((await limits.reserve("team:b", [1] * 500, TABLE)).slots) < 5

    asyncio.run(story())


@pytest.mark.parametrize(("handed_over", "in_force"), [(None, 60), (6, 60), (8, 900)])
def test_an_emptied_redis_is_rebuilt_with_the_limits(
    valkey: ValkeyServer, handed_over: int | None, in_force: int
) -> None:
    """In the same step, so that no slot is granted by the model table in between; newer ones stay."""

    async def story() -> RateLimits:
        async def rebuild() -> Entries:
            return {}

        async def team_limits() -> NamedTeamLimits:
            found = NamedTeamLimits(team="team", found=versioned(7, rpm=60))
            if handed_over is not None:  # a command was faster than this process
                await asyncio.to_thread(set_limits, valkey, versioned(handed_over, rpm=900))
            return found

        redis = connect(valkey.patient_url)
        limits = Limiter(redis, rebuild=rebuild, team_limits=team_limits)
        await limits.reserve("team:b", [1], TABLE)
        await limits.close()
        await redis.aclose()
        return limits._bucket("team:b").in_force

    name_team(valkey)
    assert asyncio.run(story()).rpm == in_force


def test_without_redis_it_says_so(valkey: ValkeyServer) -> None:
    """For a command and for a worker."""
    valkey.stop()

    async def of_a_worker() -> None:
        redis = connect(valkey.patient_url)
        try:
            await LimitsHandOver(redis).hand_over(NamedTeamLimits(team="team", found=versioned(rpm=1)))
        finally:
            await redis.aclose()

    with pytest.raises(LimiterUnavailable):
        set_limits(valkey, versioned(rpm=1))
    with pytest.raises(LimiterUnavailable):
        asyncio.run(of_a_worker())
