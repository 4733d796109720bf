"""Loading: many new jobs at once, by the fastest way each database has."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from runner.db.counters import Deltas
from runner.db.job_ids import job_id
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.db.session import Database

_JOB_COLUMNS = (
    "id, run_id, line, custom_id, model, prompt_tokens, output_tokens_max, body_bytes, state, due_at_ms,"
    " lease_gen, attempt, spent, extras, polls, misses, settle_tries"
)
_PAYLOAD_COLUMNS = "job_id, body, metadata, conv_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """One line that is to become a job."""

    line: int
    custom_id: str
    model: str
    prompt_tokens: int
    output_tokens_max: int | None
    body: bytes
    extra: bytes | None
    conv_id: str | None


def insert(connection: Connection, run_id: int, first_ordinal: int, jobs: Sequence[NewJob]) -> None:
    """Insert jobs with the ordinals from `first_ordinal` on, and count them."""
    numbered = [(job_id(run_id, first_ordinal + i), job) for i, job in enumerate(jobs)]
    job_rows = [(number, run_id, *_job_columns(job)) for number, job in numbered]
    payload_rows = [(number, job.body, job.extra, job.conv_id) for number, job in numbered]
    _insert(connection, "jobs", _JOB_COLUMNS, job_rows)
    _insert(connection, "payloads", _PAYLOAD_COLUMNS, payload_rows)
    deltas = Deltas(0)
    deltas.add(run_id, "state", JobState.PENDING, len(jobs))
    deltas.write(connection)


def _job_columns(job: NewJob) -> tuple[object, ...]:
    told = (job.line, job.custom_id, job.model, job.prompt_tokens, job.output_tokens_max, len(job.body))
    return (*told, JobState.PENDING.value, 0, 0, 0, 0, 0, 0, 0, 0)


def _insert(connection: Connection, table: str, columns: str, rows: Sequence[tuple[object, ...]]) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - an open connection has one
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" for _ in columns.split(","))
        driver.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
        return
    with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


@contextmanager
def shared_lock(database: Database, name: str) -> Iterator[None]:
    """Hold a lock that all hosts of a PostgreSQL database share; on SQLite the state folder has its own."""
    if database.is_sqlite:
        yield
        return
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    with database.engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": number})
        connection.commit()
        if database.stopwatch is not None:
            database.stopwatch.spare(connection)
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": number})
            connection.commit()
