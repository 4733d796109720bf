"""The stored results, byte for byte, one row for each request_id; and the request bodies of jobs."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, text

from runner.db import bulk
from runner.db.intake import frames
from runner.db.jobs.job_ids import run_of
from runner.rules.labels.follow_up import follow_up
from runner.rules.replies.chat_completion import read_completion
from runner.rules.requests.replace_model import replace_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.db.intake.frames import FrameKey, StoredFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One fetched result."""

    job_id: int
    attempt: int
    request_id: str
    body: bytes
    sha256: str
    received_at_ms: int


def received(*, job_id: int, attempt: int, request_id: str, body: bytes, received_at_ms: int) -> Received:
    """Return a fetched result with the checksum of its bytes."""
    return Received(
        job_id=job_id,
        attempt=attempt,
        request_id=request_id,
        body=body,
        sha256=hashlib.sha256(body).hexdigest(),
        received_at_ms=received_at_ms,
    )


def insert(connection: Connection, rows: Sequence[Received]) -> set[tuple[int, int]]:
    """Insert results; one that is stored already is not changed. Return the (job, attempt) of new ones."""
    found = bulk.execute(
        connection,
        [
            ("job_id", "BIGINT"),
            ("attempt", "INT"),
            ("request_id", "TEXT"),
            ("body", "BYTEA"),
            ("sha256", "TEXT"),
            ("at", "BIGINT"),
        ],
        [
            (r.job_id, r.attempt, r.request_id, r.body, r.sha256, r.received_at_ms)
            for r in sorted(rows, key=lambda r: (r.job_id, r.attempt))  # in the order of all other locks
        ],
        "INSERT INTO results (job_id, attempt, request_id, body, sha256, received_at_ms)"
        " SELECT job_id, attempt, request_id, body, sha256, at FROM v WHERE job_id IS NOT NULL"
        " ON CONFLICT DO NOTHING RETURNING job_id, attempt",
    )
    return {(row.job_id, row.attempt) for row in found}


def remove_without_job(connection: Connection, keys: Sequence[tuple[int, int]]) -> None:
    """Remove the results of some (job, attempt) whose job was removed with its run."""
    bulk.execute(
        connection,
        [("job_id", "BIGINT"), ("attempt", "INT")],
        sorted(keys),
        "DELETE FROM results WHERE (job_id, attempt) IN (SELECT job_id, attempt FROM v)"
        " AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = results.job_id)",
    )


def request_bodies(
    connection: Connection, job_ids: Sequence[int], asked_after: Mapping[int, int] = MappingProxyType({})
) -> dict[int, tuple[bytes, str | None]]:
    """Return (request body as it is sent, conversation id) by job.

    `asked_after` has the jobs that are asked again, with the attempts whose answers were invalid: their body
    is made of the loaded one, that answer and its fault, each time that it is sent. It is stored nowhere.
    """
    bodies = loaded_bodies(connection, job_ids)
    asked = [(job_id, asked_after[job_id]) for job_id in job_ids if job_id in asked_after]
    for row in _invalid_answers(connection, asked):
        body, conv_id = bodies[row.job_id]
        answer = read_completion(bytes(row.body)).content or ""
        with suppress(ValueError):  # a body without messages goes as it is: a send must not fail for one job
            bodies[row.job_id] = follow_up(body, answer, row.error_message or ""), conv_id
    return bodies


def _invalid_answers(connection: Connection, keys: Sequence[tuple[int, int]]) -> list[Row[Any]]:
    """Return job_id, body and error_message of the answers of some (job, attempt)."""
    return bulk.execute(
        connection,
        [("job_id", "BIGINT"), ("attempt", "INT")],
        keys,
        "SELECT r.job_id, r.body, a.error_message FROM v"
        " JOIN results r ON r.job_id = v.job_id AND r.attempt = v.attempt"
        " JOIN attempts a ON a.job_id = v.job_id AND a.attempt = v.attempt",
    )


def loaded_bodies(connection: Connection, job_ids: Sequence[int]) -> dict[int, tuple[bytes, str | None]]:
    """Return (request body as it was loaded, conversation id) by job; a model set by the user is in it.

    This is the one place that reads the stored bytes of a body and puts its frame around them.
    """
    rows = bulk.execute(
        connection,
        [("job_id", "BIGINT")],
        [(job_id,) for job_id in job_ids],
        "SELECT payloads.job_id, payloads.body, payloads.conv_id, payloads.set_model, payloads.frame"
        " FROM v JOIN payloads ON payloads.job_id = v.job_id",
    )
    keys = {(run_of(row.job_id), row.frame) for row in rows if row.frame is not None}
    found = frames.read(connection, keys) if keys else {}
    return {row.job_id: (_whole(row, found), row.conv_id) for row in rows}


def set_model(connection: Connection, job_id: int) -> str | None:
    """Return the model that a user set for a job after it was loaded, or None."""
    query = text("SELECT set_model FROM payloads WHERE job_id = :job")
    found: str | None = connection.execute(query, {"job": job_id}).scalar_one_or_none()
    return found


def _whole(row: Row[Any], found: Mapping[FrameKey, StoredFrame]) -> bytes:
    """Return the whole body of a job, with the model that a user set."""
    body = bytes(row.body)
    if row.frame is not None:
        body = found[run_of(row.job_id), row.frame].around(body)
    return body if row.set_model is None else replace_model(body, row.set_model)


def of_job(connection: Connection, job_id: int) -> list[Row[Any]]:
    """Return all stored results of a job, oldest attempt first."""
    return list(
        connection.execute(
            text(
                "SELECT attempt, request_id, body, sha256, received_at_ms FROM results"
                " WHERE job_id = :job ORDER BY attempt"
            ),
            {"job": job_id},
        )
    )


def answer_of(connection: Connection, job_id: int, answered_by: int | None) -> bytes | None:
    """Return the result of the attempt that answered a job, else the newest one; None without any."""
    kept = of_job(connection, job_id)
    chosen = next((row for row in kept if row.attempt == answered_by), kept[-1] if kept else None)
    return None if chosen is None else bytes(chosen.body)
