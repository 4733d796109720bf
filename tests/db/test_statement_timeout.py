"""The statement timeout on the client's side: a connection without activity is cut, and no other."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import pytest
from live_runner import wait_until
from proxy import Proxy
from servers import Postgres
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from runner.db.connection.driver_errors import is_unavailable
from runner.db.connection.statement_timeout import StatementTimeout
from runner.db.session import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENT_S: Final = 300.0
SHORT_S: Final = 0.1


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """Start a server that listens on a port."""
    with Postgres() as server:
        yield server


def test_a_way_that_swallows_everything_is_given_up(postgres: Postgres) -> None:
    """A silent proxy is noticed within a statement, at a commit, and on reuse of a pooled connection.

    The limit is short only while the way is silent: a busy machine may delay any other answer.
    """
    with Proxy(postgres.port) as proxy:
        url = postgres.url.replace(str(postgres.port), str(proxy.port))
        database = Database(url, answer_timeout_s=PATIENT_S)
        with database.read() as connection:
            connection.execute(text("SELECT 1"))
        silence(database, proxy)
        with pytest.raises(DBAPIError) as caught, database.write() as connection:
            connection.execute(text("SELECT 1"))
        assert is_unavailable(caught.value)

        end_silence(database, proxy)
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
        silence(database, proxy)


def silence(database: Database, proxy: Proxy) -> None:
    """Make the proxy silent, and the limit short."""
    assert database.statement_timeout is not None
    proxy.set_mode("silent")
    database.statement_timeout._limit_s = SHORT_S


def end_silence(database: Database, proxy: Proxy) -> None:
    """Make the proxy pass what comes on new connections, and the limit long."""
    assert database.statement_timeout is not None
    database.statement_timeout._limit_s = PATIENT_S
    proxy.set_mode("pass")


def test_only_connections_without_activity_are_cut(postgres: Postgres) -> None:
    """Not one that had a statement within the limit, and not one that may be idle."""
    database, now_s = Database(postgres.url), 1_000.0
    timeout = StatementTimeout(database.engine, 10.0, lambda: now_s)
    timeout.stop()  # no thread: the test checks by itself
    connect = database.engine.connect
    with connect() as exempt, connect() as busy, connect() as idle:
        for connection in (exempt, busy, idle):
            connection.execute(text("SELECT 1"))
            connection.commit()
        timeout.exempt(exempt)
        now_s += 9.0
        busy.execute(text("SELECT 1"))
        now_s += 9.0
        timeout.cut_overdue()

        with pytest.raises(DBAPIError) as caught:
            idle.execute(text("SELECT 1"))
        assert is_unavailable(caught.value)
        for connection in (exempt, busy):
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
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
    database = Database(postgres.url, answer_timeout_s=PATIENT_S)
    with database.read() as connection:
        connection.execute(text("SELECT 1"))
    database.close()
    wait_until(lambda: threading.active_count() <= before, "its thread has ended")
