"""Finds the job of one row of a labeled table."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from runner.db.job_ids import JOBS_MAX, job_id

if TYPE_CHECKING:
    from sqlalchemy import Connection


class RowJob(NamedTuple):
    """What became of a row: the custom_id of its job, or the fault for which it was skipped, or neither."""

    custom_id: str | None = None
    fault: str | None = None


def find(connection: Connection, run_id: int, row: int) -> RowJob:
    """Return the job of row number `row`, from 1, of a run with a recipe."""
    if not 1 <= row <= JOBS_MAX:
        return RowJob()
    values = {"id": job_id(run_id, row), "first": job_id(run_id, 0), "last": job_id(run_id, JOBS_MAX)}
    mapped = text("SELECT 1 FROM rows WHERE id BETWEEN :first AND :last LIMIT 1")
    if connection.execute(mapped, values).first() is None:
        query = text("SELECT custom_id, NULL FROM jobs WHERE id = :id - 1")  # row n is job n, from 0
    else:
        query = text(
            "SELECT jobs.custom_id, rows.fault FROM rows LEFT JOIN jobs ON jobs.id = rows.job_id"
            " WHERE rows.id = :id"
        )
    found = connection.execute(query, values).first()
    return RowJob() if found is None else RowJob(*found)
