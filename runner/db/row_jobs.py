"""The jobs of some rows of a run: of a table, those that are shown beside their labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runner.db import bulk
from runner.db.job_ids import job_id
from runner.db.labeled_rows import is_mapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


class KnownJob(NamedTuple):
    """The job of a row; a job of another run may answer a row of this one."""

    job_id: int
    custom_id: str


def jobs_of_rows(connection: Connection, run_id: int, numbers: Sequence[int]) -> dict[int, KnownJob]:
    """Return the jobs by the numbers of their rows, from 1; rows without a job are left out."""
    if is_mapped(connection, run_id):
        query = (
            "SELECT v.number, jobs.id, jobs.custom_id FROM v JOIN rows ON rows.id = v.id"
            " JOIN jobs ON jobs.id = rows.job_id"
        )
        keys = [(number, job_id(run_id, number)) for number in numbers]
    else:  # row n is job n
        query = "SELECT v.number, jobs.id, jobs.custom_id FROM v JOIN jobs ON jobs.id = v.id"
        keys = [(number, job_id(run_id, number - 1)) for number in numbers]
    found = bulk.execute(connection, [("number", "BIGINT"), ("id", "BIGINT")], keys, query)
    return {row.number: KnownJob(row.id, row.custom_id) for row in found}
