"""What it means when the database refuses to work, in words for people."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError

from runner.rules.errors import Unreachable, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL, Dialect

SQLITE_MIN: Final = (3, 35, 0)  # RETURNING
TROUBLES: Final = (DatabaseError, InterfaceError)

# By the words of SQLite's messages (sqlite.org/rescode.html); psycopg's are told as they are.
_OF_SQLITE: Final = (
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
_NOT_LET_IN: Final = ("authentication failed", "no pg_hba.conf entry", "does not exist", "permission denied")


def told(error: DBAPIError, url: URL) -> Unreachable | None:
    """Say what an error means for the database at `url`; None for one that only a bug explains."""
    words = str(error.orig).strip().splitlines()[:1]
    if url.get_backend_name() == "sqlite":
        for sign, state, fix in _OF_SQLITE:
            if sign in str(error.orig).lower():
                return Unreachable(f"the database {url.database} {state}", where=tuple(words), fix=fix)
        return None
    if not isinstance(error.orig, _away_errors()):
        return None
    shown = url.render_as_string(hide_password=True)
    if any(sign in str(error.orig) for sign in _NOT_LET_IN):
        what, fix = "does not let us in", "correct user, password and database in RUNNER_DATABASE_URL"
    else:
        what, fix = "does not answer", "start it, or correct RUNNER_DATABASE_URL"
    return Unreachable(f"the database {what}: {shown}", where=tuple(words), fix=fix)


@contextmanager
def of_the_driver(dialect: Dialect) -> Iterator[None]:
    """Raise what the raw driver raises as SQLAlchemy's DBAPIError, so that `told` and `is_away` know it."""
    driver = dialect.loaded_dbapi
    try:
        yield
    except driver.Error as error:
        ours = DBAPIError.instance(None, None, error, driver.Error, dialect=dialect)
        raise ours from error


def is_away(error: DBAPIError) -> bool:
    """Say whether a statement failed because the database is away or cut us off, not for its own sake."""
    return isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated


def first_line(error: Exception) -> str:
    """Return what an error says, short enough for a log: drivers add the statement and hints."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def need_sqlite(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> None:
    """Raise UsageError where Python's SQLite is too old."""
    if version < SQLITE_MIN:
        has, needs = (".".join(map(str, numbers)) for numbers in (version, SQLITE_MIN))
        raise UsageError(
            f"this Python's SQLite is too old: it is {has}, {needs} is needed",
            fix="use a newer Python, or PostgreSQL (RUNNER_DATABASE_URL)",
        )


def _away_errors() -> tuple[type[BaseException], ...]:
    import psycopg

    return (psycopg.OperationalError, psycopg.InterfaceError)
