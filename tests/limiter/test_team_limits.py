"""The limits that were set for a team: by a person, or by the settings of workers; the newest word holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from redis import Redis
from test_limiter import limiter
from valkey_server import ValkeyServer, valkey_server

from runner.limiter import team_limits
from runner.limiter.limiter import Limiter
from runner.limiter.limits import RateLimits
from runner.limiter.store import LimiterUnavailable, connect
from runner.limiter.team_limits import TeamLimits, TeamSettings
from runner.limiter.team_names import KEY as TEAMS_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.limiter.store import Entries

TABLE = RateLimits(rpm=120, tpm=200_000)
KEY = "a fingerprint"


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    with valkey_server() as running:
        yield running


def name_team(valkey: ValkeyServer) -> None:
    """Let the key belong to a team."""
    with Redis.from_url(valkey.url) as client:
        client.hset(TEAMS_KEY, KEY, "team")


def start_worker(valkey: ValkeyServer, rpm: int | None = None, *, host: str = "a") -> TeamLimits:
    """Let a worker start with a setting; return the limits of the team then."""

    async def story() -> None:
        redis = connect(valkey.patient_url)
        await TeamSettings(redis, host, KEY, TeamLimits(rpm=rpm)).apply("team")
        await redis.aclose()

    asyncio.run(story())
    return team_limits.read(valkey.patient_url, KEY)


def test_what_is_written_is_read_and_can_be_taken_back(valkey: ValkeyServer) -> None:
    """Each of the two alone; 0 is no limit."""
    name_team(valkey)
    assert team_limits.read(valkey.patient_url, KEY) == TeamLimits()
    for limits in (TeamLimits(rpm=600, tpm=0), TeamLimits(tpm=5_000), TeamLimits()):
        team_limits.write(valkey.patient_url, KEY, limits)
        assert team_limits.read(valkey.patient_url, KEY) == limits


def test_the_newest_word_holds(valkey: ValkeyServer) -> None:
    """A worker with the settings of before does not undo what was said since; changed settings do."""
    name_team(valkey)
    assert start_worker(valkey, 600).rpm == 600
    team_limits.write(valkey.patient_url, KEY, TeamLimits(rpm=300))
    assert start_worker(valkey, 600).rpm == 300
    assert start_worker(valkey, 600, host="b").rpm == 300
    assert start_worker(valkey, host="b").rpm == 300  # another host, where nothing is set
    assert start_worker(valkey, 900).rpm == 900
    assert start_worker(valkey).rpm is None  # its own word, taken out of its settings


def test_a_setting_taken_back_leaves_what_a_person_said(valkey: ValkeyServer) -> None:
    """Only the word of the settings goes with them."""
    name_team(valkey)
    start_worker(valkey, 600)
    team_limits.write(valkey.patient_url, KEY, TeamLimits(rpm=300))
    assert start_worker(valkey).rpm == 300
    assert start_worker(valkey, 600).rpm == 600


def test_limits_may_be_set_before_a_worker_has_named_the_team(valkey: ValkeyServer) -> None:
    """They wait under the fingerprint of the key."""
    team_limits.write(valkey.patient_url, KEY, TeamLimits(rpm=300))
    assert team_limits.read(valkey.patient_url, KEY) == TeamLimits(rpm=300)
    name_team(valkey)
    assert start_worker(valkey) == TeamLimits(rpm=300)


def test_workers_at_work_follow(valkey: ValkeyServer) -> None:
    """With the next call, whichever process it is; `none` lifts the model's limits."""

    async def in_force() -> RateLimits:
        async with limiter(valkey) as limits:
            await limits.reserve("team:b", [1], TABLE)
            return limits._bucket("team:b").in_force

    name_team(valkey)
    assert asyncio.run(in_force()) == RateLimits(rpm=120, tpm=200_000, rps=2)
    team_limits.write(valkey.patient_url, KEY, TeamLimits(rpm=480))
    assert asyncio.run(in_force()) == RateLimits(rpm=480, tpm=200_000, rps=10)
    team_limits.write(valkey.patient_url, KEY, TeamLimits(rpm=0, tpm=0))
    assert asyncio.run(in_force()) == RateLimits(rpm=0, tpm=0, rps=0)


def test_a_limit_that_comes_back_is_met_by_workers_without_one(valkey: ValkeyServer) -> None:
    """They look every UNLIMITED_REFRESH_S."""
    name_team(valkey)

    async def story() -> None:
        team_limits.write(valkey.patient_url, KEY, TeamLimits(rpm=0, tpm=0))
        async with limiter(valkey) as limits:
            await limits.reserve("team:b", [1], TABLE)
            assert len((await limits.reserve("team:b", [1] * 500, TABLE)).slots) == 500
            team_limits.write(valkey.patient_url, KEY, TeamLimits(rpm=120, tpm=0))
            limits._bucket("team:b").refreshed_at = -1e9
            assert len((await limits.reserve("team:b", [1] * 500, TABLE)).slots) < 5

    asyncio.run(story())


def test_an_emptied_redis_is_rebuilt_with_what_the_settings_say(valkey: ValkeyServer) -> None:
    """In the same step, so that no slot is granted by the model table in between."""

    async def story() -> RateLimits:
        async def rebuild() -> Entries:
            return {}

        redis = connect(valkey.patient_url)
        settings = TeamSettings(redis, "a", KEY, TeamLimits(rpm=60))
        limits = Limiter(redis, rebuild=rebuild, configured_limits=lambda: settings.configured("team"))
        await limits.reserve("team:b", [1], TABLE)
        await limits.close()
        await redis.aclose()
        return limits._bucket("team:b").in_force

    assert asyncio.run(story()).rpm == 60


def test_without_redis_it_says_so(valkey: ValkeyServer) -> None:
    """For reading, writing, and a worker that starts."""
    valkey.stop()
    for call in (
        lambda: team_limits.read(valkey.patient_url, KEY),
        lambda: team_limits.write(valkey.patient_url, KEY, TeamLimits(rpm=1)),
        lambda: start_worker(valkey, 600),
    ):
        with pytest.raises(LimiterUnavailable):
            call()
