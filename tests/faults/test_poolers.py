"""PgBouncer before PostgreSQL: session mode works, the other modes are refused by name."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import psycopg
import pytest
from hosts import Host
from live_runner import NO_LIMITS, RUN, Simulator, write_jobs
from servers import PgBouncer, Postgres, RedisServer, pgbouncer_program

from runner.db import migrate
from runner.db.connection import pooler_mode
from runner.db.session import Database
from runner.rules.errors import Unreachable, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(pgbouncer_program() is None, reason="PgBouncer is not installed")
JOBS = 40


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """Yield one server for all tests of this module."""
    with Postgres() as running:
        yield running


def test_a_whole_run_through_session_mode(postgres: Postgres, tmp_path: Path) -> None:
    """Loading, a worker and the output, as without a pooler."""
    with ExitStack() as stack:
        pooler = stack.enter_context(PgBouncer(postgres, "session"))
        redis = stack.enter_context(RedisServer())
        simulator = stack.enter_context(Simulator(tmp_path, *NO_LIMITS, "--median-s", "0"))
        host = stack.enter_context(Host(tmp_path / "a", simulator, pooler.url, redis.url))
        write_jobs(host.folder / "jobs.jsonl", JOBS)
        assert host.start("db", "upgrade").wait() == 0
        host.worker("--beat")

        command = host.start(*RUN)

        assert command.wait() == 0, command.output
        assert host.ledger_errors(simulator) == []


MODES = {
    "transaction": "in transaction mode, which gives each transaction another session",
    "statement": "in statement mode, which has no transactions",
}


@pytest.mark.parametrize(
    "settings", [(), ("default_pool_size = 1",), ("server_round_robin = 1", "min_pool_size = 4")]
)
@pytest.mark.parametrize("mode", MODES)
def test_a_mode_without_sessions_is_refused(postgres: Postgres, mode: str, settings: tuple[str, ...]) -> None:
    """However the pooler chooses among its connections to the server."""
    with PgBouncer(postgres, mode, *settings) as pooler, closing(Database(pooler.url)) as database:
        with pytest.raises(UsageError) as raised:
            migrate.upgrade(database, None)

        assert f"is behind a pooler (PgBouncer) {MODES[mode]}: " in raised.value.what
        assert "pool_mode = session" in raised.value.fix


def test_a_pooler_without_a_connection_left(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """In session mode each connection of runner takes one of the server."""
    monkeypatch.setattr(pooler_mode, "ANSWERS_WITHIN_S", 5.0)
    with (
        PgBouncer(postgres, "session", "default_pool_size = 1") as pooler,
        closing(Database(pooler.url)) as database,
        pytest.raises(Unreachable, match="has no connection left"),
    ):
        database.check()


def test_a_pooler_whose_connections_others_hold(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lets the client log in and then keeps it waiting: a command must not wait as long as it likes."""
    monkeypatch.setattr(pooler_mode, "ANSWERS_WITHIN_S", 1.0)
    with (
        PgBouncer(postgres, "session", "default_pool_size = 1", "query_wait_timeout = 0") as pooler,
        closing(psycopg.connect(pooler.url.replace("+psycopg", ""), autocommit=True)) as other,
        closing(Database(pooler.url)) as database,
    ):
        other.execute("SELECT 1")
        with pytest.raises(Unreachable, match="has no connection left"):
            database.check()
        other.close()
        with pytest.raises(Unreachable, match="has no connection left"):  # it needs two to know the mode
            database.check()
