"""The team of an API key: keys of one team share a bucket, and nothing is sent before the team is known."""

from __future__ import annotations

import asyncio
import random
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_runner import NO_LIMITS, RUN, LiveRunner, Simulator, wait_until, write_jobs
from redis import Redis
from valkey_server import ValkeyServer, valkey_server

from runner import settings as settings_of
from runner.api import account
from runner.api.client import XAIClient
from runner.db import migrate
from runner.db.session import Database
from runner.db.stored_team_limits import HostSettings
from runner.engine.limits import team as team_of_key
from runner.engine.limits.follow_team_limits import TeamLimitsFollower
from runner.engine.limits.team import Team
from runner.limiter.hand_over_limits import LimitsHandOver
from runner.limiter.limiter import LimiterUnavailable
from runner.limiter.store import connect
from runner.limiter.team_names import TeamNames
from runner.rules import models
from runner.rules.sending.probes import UNAVAILABLE_AFTER
from runner.rules.sending.team_limits import TeamLimits
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ONE, OTHER = "xai-first-key-of-a-team", "xai-second-key-of-a-team"


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    with valkey_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for answers as long as they take: a busy machine may stop the simulator for seconds."""
    monkeypatch.setattr(team_of_key, "ANSWER_S", 100.0)


@asynccontextmanager
async def team(
    valkey: ValkeyServer, url: str, key: str = ONE, *, asks_early: bool = True
) -> AsyncIterator[Team]:
    settings = settings_of.load({"XAI_API_KEY": key, "XAI_BASE_URL": url, "HOME": "/"}, Path("/"))
    api = XAIClient(settings, connections=2)
    redis = connect(valkey.patient_url)
    fingerprint = account.key_fingerprint(settings)
    given = HostSettings(fingerprint=fingerprint, host="host", limits=TeamLimits())
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/runner.db")
        migrate.upgrade(database, None)
        limits = TeamLimitsFollower(database, LimitsHandOver(redis), given, database.now_ms)
        opened = Team(api, TeamNames(redis), limits, fingerprint, random.Random(0))
        if asks_early:
            opened.resolve_early()
        try:
            yield opened
        finally:
            await opened.close()
            await redis.aclose()
            await api.close()
            database.close()


def test_two_keys_of_one_team_share_a_bucket(valkey: ValkeyServer, tmp_path: Path) -> None:
    """The API names the team of a key. Keys of other teams have other buckets."""

    async def names(url: str) -> tuple[str | None, str | None]:
        async with team(valkey, url, ONE) as one, team(valkey, url, OTHER) as other:
            assert [await one.resolve(), await other.resolve()] == [None, None]
            return one.name, other.name

    with Simulator(tmp_path, "--team", "team-7") as simulator:
        assert asyncio.run(names(simulator.url)) == ("team-7", "team-7")
    with Redis.from_url(valkey.url) as client:
        client.flushall()
    with Simulator(tmp_path) as simulator:
        one, other = asyncio.run(names(simulator.url))
        assert one
        assert one != other


def test_the_first_name_is_used_by_all_processes(valkey: ValkeyServer, tmp_path: Path) -> None:
    """Also a name chosen because the API named no team. It is written again after Redis was emptied."""

    async def story(simulator: Simulator) -> None:
        url = simulator.url
        async with team(valkey, url) as unnamed, team(valkey, url) as named:
            simulator.switch(key_endpoint_gone=True)
            assert await unnamed.resolve() is None
            simulator.switch(key_endpoint_gone=False)
            assert await named.resolve() is None
            assert named.name == unnamed.name
            assert named.name is not None
            assert "key" not in named.name
            with Redis.from_url(valkey.url) as client:
                client.flushall()
            await unnamed.record_again()
            async with team(valkey, url) as late:
                assert await late.resolve() is None
                assert late.name == unnamed.name

    with Simulator(tmp_path, "--team", "team-7") as simulator:
        asyncio.run(story(simulator))


def test_a_worker_that_sends_nothing_asks_again(
    valkey: ValkeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its polls need slots of the team's bucket as well."""
    monkeypatch.setattr(team_of_key, "RETRY_S", 0.05)

    async def story(simulator: Simulator) -> None:
        simulator.switch(down=True)
        async with team(valkey, simulator.url) as waiting:
            await asyncio.to_thread(wait_until, lambda: waiting._tries > 0, "the API was asked")
            simulator.switch(down=False)
            waiting._again_at = 0.0
            await asyncio.to_thread(wait_until, lambda: waiting.name, "the name is known")

    with Simulator(tmp_path, "--team", "team-7") as simulator:
        asyncio.run(story(simulator))


def test_a_wrong_address_has_no_name(valkey: ValkeyServer, tmp_path: Path) -> None:
    """Where no endpoint is known, the base URL is wrong; the runs have to pause for that setting."""

    async def story(url: str) -> None:
        async with team(valkey, url.removesuffix("/v1")) as lost:
            problem = await lost.resolve()
            assert problem is not None
            assert problem.reason is PauseReason.SETTING
            assert "XAI_BASE_URL should be like https://api.x.ai/v1" in problem.why
            assert lost.name is None

    with Simulator(tmp_path) as simulator:
        asyncio.run(story(simulator.url))


def test_an_api_that_is_unavailable_is_asked_again(valkey: ValkeyServer, tmp_path: Path) -> None:
    """With backoff: no request before its end. Once the API is back the name is known."""

    async def story(simulator: Simulator) -> None:
        simulator.switch(down=True)
        async with team(valkey, simulator.url, asks_early=False) as waiting:
            for tries in range(1, UNAVAILABLE_AFTER + 1):
                waiting._again_at = 0.0
                problem = await waiting.resolve()
                assert problem is not None
                assert (problem.reason, problem.tries) == (None, tries)
            waiting._again_at = asyncio.get_running_loop().time() + 3600
            simulator.switch(down=False)
            assert await waiting.resolve() == problem
            waiting._again_at = 0.0
            assert await waiting.resolve() is None

    with Simulator(tmp_path) as simulator:
        asyncio.run(story(simulator))


def test_without_redis_no_name_is_chosen(tmp_path: Path) -> None:
    """Each process could choose another one."""

    async def story(valkey: ValkeyServer, url: str) -> None:
        valkey.stop()
        async with team(valkey, url) as waiting:
            with pytest.raises(LimiterUnavailable):
                await waiting.resolve()
            assert waiting.name is None

    with valkey_server() as valkey, Simulator(tmp_path) as simulator:
        asyncio.run(story(valkey, simulator.url))


def test_a_refused_key_pauses_the_run_before_any_job_is_sent(tmp_path: Path) -> None:
    """No submit reaches the API; with a valid key the same command goes on."""
    write_jobs(tmp_path / "jobs.jsonl", 5)
    with Simulator(tmp_path, *NO_LIMITS, "--instant") as simulator, LiveRunner(tmp_path, simulator) as home:
        simulator.switch(key_revoked=True)
        assert home.start(*RUN).wait() == 4
        assert home.query("SELECT state, pause_reason FROM runs") == [("paused", "key")]
        books = simulator.books()
        assert (books["accepted"], books["refused"]) == (0, {})
        simulator.switch(key_revoked=False)
        assert home.start(*RUN).wait() == 0
        assert home.ledger_errors(simulator) == []


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
    """From the day of its retirement on, requests for both models share one limit."""
    from datetime import date

    assert models.serving(name, date.fromisoformat(on)) == serves
