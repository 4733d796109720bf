"""Inserts the jobs of a run in bulk, by the fastest way that each database has."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, text

from runner.db.connection import driver_errors
from runner.db.copy_rows import copy_rows
from runner.db.counts.counters import Deltas
from runner.db.intake import frames as stored_frames
from runner.db.jobs.job_ids import job_id
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.db.intake.frames import StoredFrame
    from runner.db.session import Database

# Columns, and their types as PostgreSQL calls them.
_JOBS = (
    "id int8, run_id int4, line int4, custom_id text, model text, prompt_tokens int4, output_tokens_max int4,"
    " body_bytes int4, state text, due_at_ms int8, lease_gen int4, attempt int4, spent int4, extras int4,"
    " polls int4, misses int4, settle_tries int4"
)
_PAYLOADS = "job_id int8, body bytea, metadata bytea, conv_id text, frame int4"
_LARGE_BYTES = 1 << 20  # larger bodies are written in pieces of this size


class NewJob(NamedTuple):
    """One line of a job file, as a row to insert. (A tuple: made in a third of a dataclass's time.)

    `line` is its number in the file, `extra` the raw JSON of its metadata, `body` the request as written.
    With a `frame`, `body` is what stands between the head and the tail of that frame of the run.
    """

    line: int
    custom_id: str
    model: str
    prompt_tokens: int
    output_tokens_max: int | None
    body: bytes
    extra: bytes | None
    conv_id: str | None
    frame: int | None = None


_BODY = NewJob._fields.index("body")  # the fields before it go into jobs, the others into payloads


def insert(connection: Connection, run_id: int, first_ordinal: int, jobs: Sequence[NewJob]) -> None:
    """Insert jobs as the ordinals from `first_ordinal` on, and add them to the counters.

    The frames that they name must be there. Raises SQLAlchemy's DBAPIError, as any other statement does.
    """
    first = job_id(run_id, first_ordinal)
    state = JobState.PENDING.value
    framed = _frame_bytes(connection, run_id, jobs)
    job_rows = [
        (number, run_id, *job[:_BODY], len(job.body) + framed[job.frame], state, 0, 0, 0, 0, 0, 0, 0, 0)
        for number, job in enumerate(jobs, first)
    ]
    payload_rows: list[tuple[Any, ...]] = [(number, *job[_BODY:]) for number, job in enumerate(jobs, first)]
    with driver_errors.as_dbapi_error(connection.dialect):
        copy_rows(connection, "jobs", _JOBS, job_rows)
        if connection.dialect.name == "sqlite":
            large = [row for row in payload_rows if len(row[1]) > _LARGE_BYTES]
            if large:
                payload_rows = [row for row in payload_rows if len(row[1]) <= _LARGE_BYTES]
                _insert_large(connection, large)
        copy_rows(connection, "payloads", _PAYLOADS, payload_rows)
    deltas = Deltas(0)
    deltas.add(run_id, "state", JobState.PENDING, len(jobs))
    deltas.write(connection)


def insert_frames(connection: Connection, run_id: int, frames: Sequence[StoredFrame]) -> None:
    """Insert frames of a run, before the jobs that name them."""
    statement = text("INSERT INTO frames (run_id, frame, head, tail) VALUES (:run, :frame, :head, :tail)")
    for frame in frames:
        connection.execute(statement, {"run": run_id, **frame._asdict()})


def _frame_bytes(connection: Connection, run_id: int, jobs: Sequence[NewJob]) -> dict[int | None, int]:
    """Return how many bytes each frame that jobs name adds to a body; None is no frame."""
    keys = {(run_id, job.frame) for job in jobs if job.frame is not None}
    found = stored_frames.read(connection, keys) if keys else {}
    sizes: dict[int | None, int] = {
        frame.frame: len(frame.head) + len(frame.tail) for frame in found.values()
    }
    return {**sizes, None: 0}


def _insert_large(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows with large bodies, the body piece by piece: else SQLite keeps a copy with the statement."""
    driver: Any = connection.connection.driver_connection
    for number, body, *others in rows:
        driver.execute(
            "INSERT INTO payloads (job_id, body, metadata, conv_id, frame) VALUES (?, zeroblob(?), ?, ?, ?)",
            (number, len(body), *others),
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
