"""The statement timeout on the client's side: a connection without activity is cut, and no other."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from live_runner import wait_until
from proxy import Proxy
from servers import Postgres
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from runner.db.driver_errors import is_unavailable
from runner.db.session import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_S = 1.5


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """Start a server that listens on a port."""
    with Postgres() as server:
        yield server


def test_a_way_that_swallows_everything_is_given_up(postgres: Postgres) -> None:
    """A silent proxy is noticed within a statement, at a commit, and on reuse of a pooled connection."""
    with Proxy(postgres.port) as proxy:
        url = postgres.url.replace(str(postgres.port), str(proxy.port))
        database = Database(url, answer_timeout_s=LIMIT_S)
        with database.read() as connection:
            connection.execute(text("SELECT 1"))
        proxy.set_mode("silent")
        with pytest.raises(DBAPIError) as caught, database.write() as connection:
            connection.execute(text("SELECT 1"))
        assert is_unavailable(caught.value)

        proxy.set_mode("pass")
        with database.read() as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
        with pytest.raises(DBAPIError) as caught:
            cut_before_the_commit(database, proxy)
        assert is_unavailable(caught.value)
        database.close()


def cut_before_the_commit(database: Database, proxy: Proxy) -> None:
    """Run a statement, then make the proxy silent before the commit."""
    with database.write() as connection:
        connection.execute(text("SELECT 1"))
        proxy.set_mode("silent")


def test_active_and_exempt_connections_are_not_cut(postgres: Postgres) -> None:
    """One with a statement every 0.3 s, and one that may be idle."""
    database = Database(postgres.url, answer_timeout_s=LIMIT_S)
    assert database.statement_timeout is not None
    with database.engine.connect() as idle, database.read() as busy:
        idle.execute(text("SELECT 1"))
        idle.commit()
        database.statement_timeout.exempt(idle)
        deadline_s = time.monotonic() + 3 * LIMIT_S
        while time.monotonic() < deadline_s:
            busy.execute(text("SELECT pg_sleep(0.3)"))
        assert idle.execute(text("SELECT 1")).scalar_one() == 1
    database.close()


def test_the_server_is_set_to_cut_idle_transactions(postgres: Postgres) -> None:
    """So a process that is frozen within a transaction does not keep its locks for ever."""
    database = Database(postgres.url)
    with database.read() as connection:
        assert connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one() == "20s"
    database.close()


def test_the_thread_of_a_closed_database_ends(postgres: Postgres) -> None:
    """`close` stops it."""
    before = threading.active_count()
    database = Database(postgres.url, answer_timeout_s=LIMIT_S)
    with database.read() as connection:
        connection.execute(text("SELECT 1"))
    database.close()
    wait_until(lambda: threading.active_count() <= before, "its thread has ended")
