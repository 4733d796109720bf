"""Driver errors: what an error of the database means, as a sentence for the user."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError

from runner.rules.errors import Unreachable, UsageError
from runner.rules.redact import redact
from runner.rules.servers import postgres_errors, sqlite_errors
from runner.rules.servers.postgres_url import SCHEMA, quoted
from runner.rules.servers.server_url import secrets_in_url, shown_url
from runner.rules.servers.sqlite_errors import FILE_GONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL, Dialect

    from runner.rules.errors import UserError
    from runner.rules.servers.database_fault import DatabaseFault

SQLITE_MIN: Final = (3, 35, 0)  # RETURNING
DRIVER_ERRORS: Final = (DatabaseError, InterfaceError)

_UNDEFINED_TABLE: Final = "42P01"
_DEADLOCK: Final = "40P01"  # postgresql.org/docs/current/errcodes-appendix.html


def as_user_error(error: DBAPIError, url: URL) -> UserError | None:
    """Return an error with a driver error's meaning for the user; None where it can only be a bug.

    `url` is the database's.
    """
    message = redact(str(error.orig), secrets_in_url(_written(url))).strip().splitlines()[:1]
    fault = _fault(error)
    return None if fault is None else database_error(fault, url, tuple(message))


def database_error(fault: DatabaseFault, url: URL, where: tuple[str, ...] = ()) -> UserError:
    """Return a fault of a database as an error; `where`: in the words of the driver."""
    if url.get_backend_name() == "sqlite":
        return Unreachable(f"the database {url.database} {fault.state}", where=where, fix=fault.fix)
    kind = UsageError if fault.is_setting else Unreachable
    names = {"user": quoted(url.username or "USER"), "schema": quoted(schema_of(url) or "public")}
    what = f"the database {fault.state}: {shown_url(_written(url))}"
    return kind(what, where=where, fix=fault.fix.format_map(names))


def schema_of(url: URL) -> str | None:
    """Return the schema that a PostgreSQL URL names; None for that of the search path."""
    found = url.query.get(SCHEMA)
    return found if found is None or isinstance(found, str) else found[-1]


def state_of(error: DBAPIError) -> str:
    """Return what is wrong with the database, to end a sentence "the database …"."""
    fault = _fault(error)
    return "does not answer" if fault is None else fault.state


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
    """Return whether a statement failed because of the database, which may be mended, not by its own fault.

    So it is with a database that is away, full or read-only, or whose user lost a right. SQLite reports a
    missing table or column with the same class as a locked file.
    """
    if error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.Error):
        is_own_fault = str(error.orig).startswith("no such")
        return isinstance(error, (OperationalError, InterfaceError)) and not is_own_fault
    fault = _fault(error)
    return fault is not None and fault.passes


def is_refused(error: DBAPIError) -> bool:
    """Return whether the database answers and refuses the statement, until it is mended."""
    is_lost = error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))
    return not is_lost and is_unavailable(error)


def is_file_gone(error: DBAPIError) -> bool:
    """Return whether the file of SQLite was removed or replaced: waiting does not bring it back."""
    return FILE_GONE in str(error.orig)


def is_missing_table(error: DBAPIError) -> bool:
    """Return whether a statement failed because a table is missing."""
    return getattr(error.orig, "sqlstate", None) == _UNDEFINED_TABLE or "no such table" in str(error.orig)


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


def _fault(error: DBAPIError) -> DatabaseFault | None:
    """Return what an error means; None for a fault of the statement."""
    if isinstance(error.orig, sqlite3.Error):
        return sqlite_errors.fault_of(str(error.orig))
    return postgres_errors.fault_of(
        getattr(error.orig, "sqlstate", None),
        str(error.orig),
        is_connection=isinstance(error, (OperationalError, InterfaceError)),
    )


def _written(url: URL) -> str:
    """Return the URL with its password; that of SQLite has none, and is a path that may be no text."""
    return "" if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=False)
