"""Inserts the jobs of a run in bulk, by the fastest way that each database has."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, text

from runner.db import driver_errors
from runner.db.counters import Deltas
from runner.db.job_ids import job_id
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.db.session import Database

# Columns, and their types as PostgreSQL calls them.
_JOBS = (
    "id int8, run_id int4, line int4, custom_id text, model text, prompt_tokens int4, output_tokens_max int4,"
    " body_bytes int4, state text, due_at_ms int8, lease_gen int4, attempt int4, spent int4, extras int4,"
    " polls int4, misses int4, settle_tries int4"
)
_PAYLOADS = "job_id int8, body bytea, metadata bytea, conv_id text"
# Rows of one INSERT: a third faster than one row each, and other threads run meanwhile. With 17 columns
# that is half of the 32,766 values that SQLite takes in a statement.
_SQLITE_ROWS = 1_000
_LARGE_BYTES = 1 << 20  # larger bodies are written in pieces of this size


class NewJob(NamedTuple):
    """One line of a job file, as a row to insert. (A tuple: made in a third of a dataclass's time.)

    `line` is its number in the file, `extra` the raw JSON of its metadata, `body` the request as written.
    """

    line: int
    custom_id: str
    model: str
    prompt_tokens: int
    output_tokens_max: int | None
    body: bytes
    extra: bytes | None
    conv_id: str | None


_BODY = NewJob._fields.index("body")  # the fields before it go into jobs, the others into payloads


def insert(connection: Connection, run_id: int, first_ordinal: int, jobs: Sequence[NewJob]) -> None:
    """Insert jobs as the ordinals from `first_ordinal` on, and add them to the counters.

    Raises SQLAlchemy's DBAPIError, as any other statement does.
    """
    first = job_id(run_id, first_ordinal)
    state = JobState.PENDING.value
    job_rows = [
        (number, run_id, *job[:_BODY], len(job.body), state, 0, 0, 0, 0, 0, 0, 0, 0)
        for number, job in enumerate(jobs, first)
    ]
    payload_rows: list[tuple[Any, ...]] = [(number, *job[_BODY:]) for number, job in enumerate(jobs, first)]
    with driver_errors.as_dbapi_error(connection.dialect):
        _insert(connection, "jobs", _JOBS, job_rows)
        if connection.dialect.name == "sqlite":
            large = [row for row in payload_rows if len(row[1]) > _LARGE_BYTES]
            if large:
                payload_rows = [row for row in payload_rows if len(row[1]) <= _LARGE_BYTES]
                _insert_large(connection, large)
        _insert(connection, "payloads", _PAYLOADS, payload_rows)
    deltas = Deltas(0)
    deltas.add(run_id, "state", JobState.PENDING, len(jobs))
    deltas.write(connection)


def _insert(connection: Connection, table: str, columns: str, rows: Sequence[tuple[object, ...]]) -> None:
    names, types = zip(*(column.split() for column in columns.split(", ")), strict=True)
    into = f"{table} ({', '.join(names)})"
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - an open connection has one
    if connection.dialect.name == "sqlite":
        placeholders = f"({', '.join('?' for _ in names)})"
        many = f"INSERT INTO {into} VALUES {', '.join([placeholders] * _SQLITE_ROWS)}"
        whole = len(rows) - len(rows) % _SQLITE_ROWS
        for start in range(0, whole, _SQLITE_ROWS):
            driver.execute(many, list(chain.from_iterable(rows[start : start + _SQLITE_ROWS])))
        driver.executemany(f"INSERT INTO {into} VALUES {placeholders}", rows[whole:])
        return
    # The binary format takes a third of the time; it needs exactly the types of the columns.
    with driver.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def _insert_large(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows with large bodies, the body piece by piece: else SQLite keeps a copy with the statement."""
    driver: Any = connection.connection.driver_connection
    for number, body, extra, conv_id in rows:
        driver.execute(
            "INSERT INTO payloads (job_id, body, metadata, conv_id) VALUES (?, zeroblob(?), ?, ?)",
            (number, len(body), extra, conv_id),
        )
        with driver.blobopen("payloads", "body", number) as blob:
            for start in range(0, len(body), _LARGE_BYTES):
                blob.write(body[start : start + _LARGE_BYTES])


@contextmanager
def shared_lock(database: Database, name: str) -> Iterator[None]:
    """Take an advisory lock that all hosts share, for the block. SQLite: no lock is needed here."""
    if database.is_sqlite:
        yield
        return
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    with database.engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": number})
        connection.commit()
        if database.statement_timeout is not None:
            database.statement_timeout.exempt(connection)
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": number})
            connection.commit()
