"""Connections to PostgreSQL: which parameters a URL may have, and what each new session is given and must be.

Settings are sent after connecting: a pooler (PgBouncer) refuses most parameters of the start-up message.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Engine, create_engine, event

from runner import certificate_files
from runner.db.connection import pooler_mode
from runner.db.connection.driver_errors import database_error, schema_of
from runner.db.connection.statement_timeout import answers_within
from runner.rules.errors import UsageError
from runner.rules.servers.database_fault import DatabaseFault
from runner.rules.servers.postgres_url import OF_OTHER_CLIENTS, SCHEMA, parameter_fix, quoted
from runner.rules.servers.server_url import shown_url

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy.engine import URL

BINARY_BYTEA: Final = (
    "runner_as_bytes"  # an execution option: PostgreSQL sends BYTEA in binary, not as hex (twice that)
)
_OVERFLOW: Final = 2  # connections beyond the pool's size, for a moment
_CONNECT: Final = {
    "connect_timeout": 10,
    "client_encoding": "UTF8",  # whatever PGCLIENTENCODING says
    "keepalives_idle": 10,  # with the next three: a vanished server is noticed within half a minute
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_SETTINGS: Final = {
    "synchronous_commit": "on",
    "timezone": "UTC",
    # A process that is frozen within a transaction must not lock out the others for ever.
    "idle_in_transaction_session_timeout": "20s",
    # A plan that was made while a table was small must not read it whole when it is large.
    "enable_seqscan": "off",
    "jit": "off",  # without sequential scans, queries on small tables look costly enough to compile
}
_ENCODING: Final = "UTF8"


def postgres_engine(url: URL, pool_size: int) -> Engine:
    """Return the engine of a PostgreSQL URL. Raises UsageError for an unknown parameter."""
    from psycopg import pq  # slow to import; only PostgreSQL needs it

    schema = schema_of(url)
    url = url.difference_update_query([*OF_OTHER_CLIENTS, SCHEMA])
    _check_parameters(url)
    certificate_files.check_url("RUNNER_DATABASE_URL", url.render_as_string(hide_password=False))
    engine = create_engine(url, pool_size=pool_size, max_overflow=_OVERFLOW, connect_args=_CONNECT)
    sessions = _Sessions(url=url, settings=_SETTINGS | ({"search_path": quoted(schema)} if schema else {}))
    # inserted: before SQLAlchemy's own first statements, which would wait for an answer without a limit
    event.listen(engine, "connect", sessions.set_up, insert=True)

    @event.listens_for(engine, "before_cursor_execute")
    def _format(
        _connection: Connection, cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        if context.execution_options.get(BINARY_BYTEA):
            cursor.format = pq.Format.BINARY

    return engine


@dataclass(slots=True, kw_only=True)
class _Sessions:
    """Sets up the sessions of one engine."""

    url: URL
    settings: dict[str, str]
    is_pooler_known: bool = field(default=False, init=False)

    def set_up(self, driver: psycopg.Connection[Any], _record: object = None) -> None:
        """Check a new connection and set its settings. Raises UsageError, Unreachable, psycopg's errors."""
        try:
            self._set_up(driver)
        except BaseException:
            driver.close()  # the pool does not have it yet
            raise

    def _set_up(self, driver: psycopg.Connection[Any]) -> None:
        encoding = driver.info.parameter_status("server_encoding")
        if encoding != _ENCODING:
            raise database_error(_wrong_encoding(encoding), self.url)
        driver.autocommit = True
        calls = ", ".join("set_config(%s, %s, false)" for _ in self.settings)
        words = [word for setting in self.settings.items() for word in setting]
        with answers_within(driver, pooler_mode.ANSWERS_WITHIN_S):
            row = driver.execute(f"SELECT pg_backend_pid(), {calls}", words).fetchone()
        if not self.is_pooler_known and row is not None and row[0] != driver.info.backend_pid:
            self._check_pooler(driver)
        driver.autocommit = False

    def _check_pooler(self, driver: psycopg.Connection[Any]) -> None:
        fault = pooler_mode.fault_behind_pooler(driver)
        if fault is not None:
            raise database_error(fault, self.url)
        self.is_pooler_known = True


def _wrong_encoding(encoding: str | None) -> DatabaseFault:
    return DatabaseFault(
        f"has the encoding {encoding or 'unknown'}, and UTF8 is needed",
        "make another one for runner, in psql: CREATE DATABASE runner ENCODING 'UTF8' TEMPLATE template0",
        is_setting=True,
    )


def _check_parameters(url: URL) -> None:
    """Raise UsageError for a parameter that libpq does not know: every statement would fail for it."""
    from psycopg import ProgrammingError, conninfo

    for name in url.query:
        try:
            conninfo.make_conninfo(**{name: ""})
        except ProgrammingError:
            shown = shown_url(f"postgresql:///?{name}=").partition("?")[2].partition("=")[0]
            what = f"RUNNER_DATABASE_URL has a parameter that PostgreSQL does not know: {shown}"
            raise UsageError(what, fix=parameter_fix(name)) from None
