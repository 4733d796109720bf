"""Inserts the rows of a table whose rows and jobs do not correspond one to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runner.db.connection import driver_errors
from runner.db.copy_rows import copy_rows
from runner.db.jobs.job_ids import job_id
from runner.db.stored_text import stored_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

_ROWS = "id int8, job_id int8, fault text"


class NewRow(NamedTuple):
    """One row of a table: `row` is its number, from 1.

    `job_id` is the job that answers it, of this or another run; a row without one was skipped for its
    `fault`.
    """

    row: int
    job_id: int | None = None
    fault: str | None = None


def insert(connection: Connection, run_id: int, rows: Sequence[NewRow]) -> None:
    """Insert rows of a run. Raises SQLAlchemy's DBAPIError, as any other statement does."""
    found = [(job_id(run_id, row.row), row.job_id, row.fault and stored_text(row.fault)) for row in rows]
    with driver_errors.as_dbapi_error(connection.dialect):
        copy_rows(connection, "rows", _ROWS, found)
