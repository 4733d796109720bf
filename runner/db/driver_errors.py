"""Driver errors: what an error of the database means, as a sentence for the user."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError

from runner.rules.errors import Unreachable, UsageError
from runner.rules.redact import redact
from runner.rules.server_url import secrets_in_url, shown_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL, Dialect

SQLITE_MIN: Final = (3, 35, 0)  # RETURNING
DRIVER_ERRORS: Final = (DatabaseError, InterfaceError)

# (part of SQLite's message, what the database is, fix); messages as in sqlite.org/rescode.html.
_SQLITE_ERRORS: Final = (
    ("disk is full", "has no room left on its disk", "make room there, then give the same command again"),
    (
        "readonly database",
        "may not be written to",
        "make it and its folder writable, or name another folder with RUNNER_HOME",
    ),
    ("unable to open", "cannot be opened", "look whether you may read and write it and its folder"),
    (
        "not a database",
        "is damaged, or no database",
        "put a copy of it back, or move it away and load the job files anew",
    ),
    ("malformed", "is damaged", "put a copy of it back, or move it away and load the job files anew"),
    (
        "locked",
        "is kept busy by another program",
        "end what holds it (a backup, a database browser), then give the same command again",
    ),
    ("disk i/o error", "cannot be read or written", "see whether its disk is well (dmesg)"),
)
_DEADLOCK: Final = "40P01"  # postgresql.org/docs/current/errcodes-appendix.html
_ACCESS_DENIED: Final = (
    "authentication failed",
    "no pg_hba.conf entry",
    "does not exist",
    "permission denied",
)


def as_unreachable(error: DBAPIError, url: URL) -> Unreachable | None:
    """Return an error with a driver error's meaning for the user; None where it can only be a bug.

    `url` is the database's.
    """
    if url.get_backend_name() == "sqlite":
        message = str(error.orig).strip().splitlines()[:1]
        for part, state, fix in _SQLITE_ERRORS:
            if part in str(error.orig).lower():
                return Unreachable(f"the database {url.database} {state}", where=tuple(message), fix=fix)
        return None
    written = url.render_as_string(hide_password=False)
    message = redact(str(error.orig), secrets_in_url(written)).strip().splitlines()[:1]
    if not isinstance(error.orig, _connection_errors()):
        return None
    shown = shown_url(written)
    if any(part in str(error.orig) for part in _ACCESS_DENIED):
        what, fix = "does not let us in", "correct user, password and database in RUNNER_DATABASE_URL"
    else:
        what, fix = "does not answer", "start it, or correct RUNNER_DATABASE_URL"
    return Unreachable(f"the database {what}: {shown}", where=tuple(message), fix=fix)


@contextmanager
def as_dbapi_error(dialect: Dialect) -> Iterator[None]:
    """Raise errors of the raw driver within the block as SQLAlchemy's DBAPIError, like other statements."""
    driver = dialect.loaded_dbapi
    try:
        yield
    except driver.Error as error:
        wrapped = DBAPIError.instance(None, None, error, driver.Error, dialect=dialect)
        raise wrapped from error


def is_unavailable(error: DBAPIError) -> bool:
    """Return whether a statement failed because the database is unavailable, not by its own fault.

    SQLite reports a missing table or column with the same class as a locked file.
    """
    if error.connection_invalidated:
        return True
    is_own_fault = isinstance(error.orig, sqlite3.OperationalError) and str(error.orig).startswith("no such")
    return isinstance(error, (OperationalError, InterfaceError)) and not is_own_fault


def is_deadlock(error: DBAPIError) -> bool:
    """Return whether PostgreSQL ended the transaction since two waited for each other: it can be repeated."""
    return getattr(error.orig, "sqlstate", None) == _DEADLOCK


def first_line(error: BaseException) -> str:
    """Return the first line of an error, at most 200 characters: drivers add the statement and more.

    Of a group, that of its first error.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def check_sqlite_version(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> None:
    """Raise UsageError where Python's SQLite is too old."""
    if version < SQLITE_MIN:
        has, needs = (".".join(map(str, numbers)) for numbers in (version, SQLITE_MIN))
        raise UsageError(
            f"this Python's SQLite is too old: it is {has}, {needs} is needed",
            fix="use a newer Python, or PostgreSQL (RUNNER_DATABASE_URL)",
        )


def _connection_errors() -> tuple[type[BaseException], ...]:
    import psycopg

    return (psycopg.OperationalError, psycopg.InterfaceError)
