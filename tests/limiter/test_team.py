"""Whose limits a process uses: keys of one team share a bucket, and nothing is sent before that is known."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live import NO_LIMITS, RUN, Home, Simulator, write_jobs
from redis import Redis
from valkey_server import Valkey, valkey_server

from runner import settings as settings_of
from runner.api import account
from runner.api.xai import XAI
from runner.engine.streak import AWAY_AFTER
from runner.engine.team import Team
from runner.limiter.limiter import LimiterUnavailable
from runner.rules import models

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ONE, OTHER = "xai-first-key-of-a-team", "xai-second-key-of-a-team"


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with valkey_server() as running:
        yield running


@asynccontextmanager
async def team(valkey: Valkey, url: str, key: str = ONE) -> AsyncIterator[Team]:
    settings = settings_of.load({"XAI_API_KEY": key, "XAI_BASE_URL": url, "HOME": "/"}, Path("/"))
    api = XAI(settings, connections=2)
    opened = Team(api, valkey.url, account.key_name(settings), random.Random(0))
    try:
        yield opened
    finally:
        await opened.close()
        await api.close()


def test_two_keys_of_one_team_share_a_bucket(valkey: Valkey, tmp_path: Path) -> None:
    """By the team that the API tells; keys of other teams do not."""

    async def names(url: str) -> tuple[str | None, str | None]:
        async with team(valkey, url, ONE) as one, team(valkey, url, OTHER) as other:
            assert [await one.settle(), await other.settle()] == [None, None]
            return one.name, other.name

    with Simulator(tmp_path, "--team", "team-7") as simulator:
        assert asyncio.run(names(simulator.url)) == ("team-7", "team-7")
    with Redis.from_url(valkey.url) as client:
        client.flushall()
    with Simulator(tmp_path) as simulator:
        one, other = asyncio.run(names(simulator.url))
        assert one
        assert one != other


def test_the_first_answer_stands_for_all_processes(valkey: Valkey, tmp_path: Path) -> None:
    """Also that the API would not tell; and a Redis that was emptied hears it again."""

    async def story(url: str) -> None:
        async with team(valkey, f"{url}/no-such-place") as untold, team(valkey, url) as told:
            assert await untold.settle() is None
            assert await told.settle() is None
            assert told.name == untold.name
            assert told.name is not None
            assert "key" not in told.name
            with Redis.from_url(valkey.url) as client:
                client.flushall()
            await untold.record_again()
            async with team(valkey, url) as late:
                assert await late.settle() is None
                assert late.name == untold.name

    with Simulator(tmp_path, "--team", "team-7") as simulator:
        asyncio.run(story(simulator.url))


def test_an_api_that_is_away_is_asked_again(valkey: Valkey, tmp_path: Path) -> None:
    """With backoff, so that asking often asks nobody; when it is back the name is known."""

    async def story(simulator: Simulator) -> None:
        simulator.switch(down=True)
        async with team(valkey, simulator.url) as asking:
            for tries in range(1, AWAY_AFTER + 1):
                asking._again_at = 0.0
                trouble = await asking.settle()
                assert trouble is not None
                assert (trouble.refused, trouble.tries) == (False, tries)
            asking._again_at = asyncio.get_running_loop().time() + 60
            simulator.switch(down=False)
            assert await asking.settle() == trouble
            asking._again_at = 0.0
            assert await asking.settle() is None

    with Simulator(tmp_path) as simulator:
        asyncio.run(story(simulator))


def test_without_redis_no_name_is_settled(tmp_path: Path) -> None:
    """Each process by itself might settle on another."""

    async def story(valkey: Valkey, url: str) -> None:
        valkey.stop()
        async with team(valkey, url) as asking:
            with pytest.raises(LimiterUnavailable):
                await asking.settle()
            assert asking.name is None

    with valkey_server() as valkey, Simulator(tmp_path) as simulator:
        asyncio.run(story(valkey, simulator.url))


def test_a_refused_key_pauses_the_run_before_any_job_is_sent(tmp_path: Path) -> None:
    """Not one submission reaches the API; with the key mended the same command goes on."""
    write_jobs(tmp_path / "jobs.jsonl", 5)
    with Simulator(tmp_path, *NO_LIMITS, "--instant") as simulator, Home(tmp_path, simulator) as home:
        simulator.switch(key_revoked=True)
        assert home.start(*RUN).ended() == 4
        assert home.query("SELECT state, pause_reason FROM runs") == [("paused", "key")]
        books = simulator.books()
        assert (books["accepted"], books["refused"]) == (0, {})
        simulator.switch(key_revoked=False)
        assert home.start(*RUN).ended() == 0
        assert home.findings(simulator) == []


@pytest.mark.parametrize(
    ("name", "on", "serves"),
    [
        ("grok-4", "2026-05-14", "grok-4-0709"),
        ("grok-4", "2026-05-15", "grok-4.3"),
        ("grok-4-latest", "2026-11-01", "grok-4.3"),
        ("grok-4.3-latest", "2026-11-01", "grok-4.3"),
        ("grok-code-fast", "2026-11-01", "grok-build-0.1"),
        ("new-one", "2026-11-01", "new-one"),
    ],
)
def test_a_retired_model_counts_as_the_one_that_serves_it(name: str, on: str, serves: str) -> None:
    """From the day of its retirement on, requests for both meet one limit."""
    from datetime import date

    assert models.serving(name, date.fromisoformat(on)) == serves
