"""A worker whose writes the database refuses says so in Redis, until they are taken again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from live_runner import wait_until
from redis import Redis
from sqlalchemy import text

from runner.db.session import Database
from runner.engine.storing.commit_reports import READ_AGAIN_MS, CommitReports
from runner.engine.storing.group_commit import GroupCommit
from runner.limiter import refused_commits
from runner.limiter.refused_commits import CommitRefusal
from runner.limiter.store import connect
from runner.rules.errors import Unreachable

if TYPE_CHECKING:
    from conftest import PostgresServer
    from valkey_server import ValkeyServer

REFUSAL = Unreachable("the database is read-only: url", fix="name the primary")
INSERT = text("INSERT INTO notes VALUES (1)")
NOW_MS = 1_800_000_000_000


@pytest.fixture(autouse=True)
def _emptied(server: ValkeyServer) -> None:
    with Redis.from_url(server.url) as client:
        client.flushall()


def test_a_refusal_is_reported_at_the_second_look_and_withdrawn(server: ValkeyServer) -> None:
    """A write that is refused for a moment only is not worth a word."""
    found: list[Unreachable | None] = [REFUSAL]

    async def story() -> None:
        redis = connect(server.url)
        reports = CommitReports(redis=redis, node="w1@a", refusal=lambda: found[0], now_ms=lambda: NOW_MS)
        await reports.look()
        assert refused_commits.read(server.url) is None
        await reports.look()
        assert refused_commits.read(server.url) == CommitRefusal(REFUSAL.what, REFUSAL.fix, NOW_MS)
        found[0] = None
        await reports.look()
        assert refused_commits.read(server.url) is None
        await redis.aclose()

    asyncio.run(story())


def test_a_refused_read_is_reported_while_it_is_repeated(server: ValkeyServer) -> None:
    """A loop that reads well says nothing: its note is too old then."""
    now_ms = [NOW_MS]

    async def story() -> None:
        redis = connect(server.url)
        reports = CommitReports(redis=redis, node="w1@a", refusal=lambda: None, now_ms=lambda: now_ms[0])
        for _ in range(3):
            now_ms[0] += READ_AGAIN_MS // 2
            reports.note_read(REFUSAL)
            await reports.look()
        found = refused_commits.read(server.url)
        assert found is not None
        assert found.what == REFUSAL.what
        now_ms[0] += READ_AGAIN_MS
        await reports.look()
        assert refused_commits.read(server.url) is None
        await redis.aclose()

    asyncio.run(story())


def test_reports_of_several_workers_are_one_with_the_oldest_time(server: ValkeyServer) -> None:
    """Those of a worker that could not start count too; its first one stays."""
    for since_ms in (NOW_MS + 5, NOW_MS + 9):
        refused_commits.report_start(server.url, "w1@a", CommitRefusal("late", "b", since_ms))
    refused_commits.report_start(server.url, "w2@a", CommitRefusal("early", "b", NOW_MS))

    assert refused_commits.read(server.url) == CommitRefusal("early", "b", NOW_MS, workers=2)
    with Redis.from_url(server.url) as client:
        assert 0 < client.pttl(refused_commits.KEY) <= refused_commits.KEPT_MS


def test_the_group_commit_knows_why_it_waits(postgres_server: PostgresServer) -> None:
    """The row is kept meanwhile, and written when the database takes it."""

    async def story(url: str) -> None:
        owner, database = Database(url), Database(url)
        group_commit = GroupCommit(database, asyncio.get_running_loop(), shard=1)
        with owner.write() as connection:
            connection.execute(text("CREATE TABLE notes (a INTEGER)"))
            connection.execute(text("CREATE ROLE clerk"))
        with database.write() as connection:
            connection.execute(text("SET ROLE clerk"))  # kept by the one connection of the pool
        write = asyncio.create_task(group_commit.execute(lambda connection, _: connection.execute(INSERT)))
        await asyncio.to_thread(wait_until, lambda: group_commit.refusal is not None, "it is refused")
        refusal = group_commit.refusal
        assert refusal is not None
        assert refusal.what.startswith("the database does not give its user the rights")
        assert not write.done()
        with owner.write() as connection:
            connection.execute(text("GRANT INSERT ON notes TO clerk"))
        await write
        assert [group_commit.refusal] == [None]
        group_commit.close()
        with owner.write() as connection:
            connection.execute(text("DROP OWNED BY clerk"))
            connection.execute(text("DROP ROLE clerk"))
        owner.close()
        database.close()

    with postgres_server.fresh("template1") as url:
        asyncio.run(story(url))
