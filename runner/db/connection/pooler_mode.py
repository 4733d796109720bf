"""Finds out whether a pooler before PostgreSQL keeps a session for each client, as runner needs it.

In transaction mode a pooler lends a server process for one transaction and then to any other client: settings
of a session are lost or met by others, and locks and prepared statements as well. No pooler says its mode to
a client. So two clients look at the numbers of their server processes: when the second one gets the process
of the first, or the first one another than before, there is no session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.db.connection.statement_timeout import answers_within
from runner.rules.servers.postgres_errors import POOLER_FULL, TRANSACTION_MODE

if TYPE_CHECKING:
    import psycopg

    from runner.rules.servers.database_fault import DatabaseFault

ANSWERS_WITHIN_S: Final = 10.0  # a pooler that has a connection left
_ROUNDS: Final = 3  # another client may take or return a server process in between


def fault_behind_pooler(first: psycopg.Connection[Any]) -> DatabaseFault | None:
    """Return why runner cannot work behind the pooler of an autocommit connection; None where it can.

    Opens a second connection meanwhile. Raises psycopg's errors.
    """
    import psycopg

    own = _server_process(first)
    try:
        second = psycopg.connect(
            first.info.dsn,
            password=first.info.password,
            autocommit=True,
            connect_timeout=round(ANSWERS_WITHIN_S),
        )
    except psycopg.errors.ConnectionTimeout:  # it has just answered the first one
        return POOLER_FULL
    with second, answers_within(second, ANSWERS_WITHIN_S):
        is_shared = any(_is_shared(first, second, own) for _ in range(_ROUNDS))
    return TRANSACTION_MODE if is_shared else None


def _is_shared(first: psycopg.Connection[Any], second: psycopg.Connection[Any], own: int) -> bool:
    with second.transaction():  # it keeps its server process until the end of the block
        return _server_process(second) == own or _server_process(first) != own


def _server_process(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return int(row[0]) if row is not None else 0
