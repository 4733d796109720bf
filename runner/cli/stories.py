"""Reads for people: one job's story, and what is still out. Plain SQL, like everything in `db`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, text


def job(connection: Connection, run_id: int, custom_id: str) -> Row[Any] | None:
    """Return one job of a run by its custom_id."""
    return connection.execute(
        text("SELECT * FROM jobs WHERE run_id = :run AND custom_id = :id"), {"run": run_id, "id": custom_id}
    ).one_or_none()


def attempts(connection: Connection, job_id: int) -> list[Row[Any]]:
    """Return the attempts of a job, oldest first."""
    query = text("SELECT * FROM attempts WHERE job_id = :job ORDER BY attempt")
    return list(connection.execute(query, {"job": job_id}))


def oldest_out_ms(connection: Connection, run_id: int) -> int | None:
    """Return when the oldest answer that is still out was accepted; None when none is."""
    query = text(
        "SELECT MIN(accepted_at_ms) FROM jobs WHERE run_id = :run AND state IN ('waiting', 'collecting')"
    )
    oldest: int | None = connection.execute(query, {"run": run_id}).scalar_one()
    return oldest
