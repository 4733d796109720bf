"""The jobs of rows of a labeled table: of one that is named, of some that are shown beside their labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from runner.db import bulk
from runner.db.jobs.job_ids import JOBS_MAX, job_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


class RowJob(NamedTuple):
    """What became of a row: the custom_id of its job, or the fault for which it was skipped, or neither."""

    custom_id: str | None = None
    fault: str | None = None


class KnownJob(NamedTuple):
    """The job of a row; a job of another run may answer a row of this one."""

    job_id: int
    custom_id: str


def is_mapped(connection: Connection, run_id: int) -> bool:
    """Return whether the table `rows` maps the rows of a run to jobs; else row n is the nth job."""
    query = text("SELECT 1 FROM rows WHERE id BETWEEN :first AND :last LIMIT 1")
    values = {"first": job_id(run_id, 0), "last": job_id(run_id, JOBS_MAX)}
    return connection.execute(query, values).first() is not None


def job_of_row(connection: Connection, run_id: int, number: int) -> RowJob:
    """Return what became of the row with this number, from 1, in a run with a recipe."""
    if not 1 <= number <= JOBS_MAX:
        return RowJob()
    if is_mapped(connection, run_id):
        query = text(
            "SELECT jobs.custom_id, rows.fault FROM rows LEFT JOIN jobs ON jobs.id = rows.job_id"
            " WHERE rows.id = :id"
        )
        key = job_id(run_id, number)
    else:
        query = text("SELECT custom_id, NULL FROM jobs WHERE id = :id")
        key = _nth_job(run_id, number)
    found = connection.execute(query, {"id": key}).first()
    return RowJob() if found is None else RowJob(*found)


def jobs_of_rows(connection: Connection, run_id: int, numbers: Sequence[int]) -> dict[int, KnownJob]:
    """Return the jobs by the numbers of their rows, from 1; rows without a job are left out."""
    if is_mapped(connection, run_id):
        query = (
            "SELECT v.number, jobs.id, jobs.custom_id FROM v JOIN rows ON rows.id = v.id"
            " JOIN jobs ON jobs.id = rows.job_id"
        )
        keys = [(number, job_id(run_id, number)) for number in numbers]
    else:
        query = "SELECT v.number, jobs.id, jobs.custom_id FROM v JOIN jobs ON jobs.id = v.id"
        keys = [(number, _nth_job(run_id, number)) for number in numbers]
    found = bulk.execute(connection, [("number", "BIGINT"), ("id", "BIGINT")], keys, query)
    return {row.number: KnownJob(row.id, row.custom_id) for row in found}


def _nth_job(run_id: int, number: int) -> int:
    """Return the id of the nth job of a run; the ids count from 0."""
    return job_id(run_id, number - 1)
