"""Maps the rows of a table to jobs, where row n is not job n: rows were left out or skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.db.intake import new_rows
from runner.db.intake.new_rows import NewRow
from runner.db.jobs.job_ids import job_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.intake.new_jobs import NewJob
    from runner.intake.run_input import SkippedRow

ROWS_PER_INSERT = 5_000


class RowMapping:
    """The rows of one run, chunk by chunk. Until a row deviates nothing is written: row n is job n."""

    def __init__(self, run_id: int) -> None:
        """Write nothing yet."""
        self._run_id = run_id
        self._is_written = False

    def add(
        self, connection: Connection, first: int, jobs: Sequence[NewJob], skipped: Sequence[SkippedRow]
    ) -> None:
        """Add jobs from ordinal `first` on, whose `line` is their row, and the skipped rows among them."""
        deviates = bool(skipped) or (bool(jobs) and jobs[-1].line != first + len(jobs))
        if deviates:
            self.map_from_begin(connection, first)
        if not self._is_written:
            return
        start = job_id(self._run_id, first)
        rows = [NewRow(row=job.line, job_id=number) for number, job in enumerate(jobs, start)]
        rows += [NewRow(row=row.row, fault=row.fault) for row in skipped]
        new_rows.insert(connection, self._run_id, rows)

    def map_from_begin(self, connection: Connection, jobs_before: int) -> None:
        """Write the rows of the first jobs, each of which is that of its row, if none is written yet."""
        if self._is_written:
            return
        self._is_written = True
        for start in range(0, jobs_before, ROWS_PER_INSERT):
            places = range(start, min(start + ROWS_PER_INSERT, jobs_before))
            rows = [NewRow(row=place + 1, job_id=job_id(self._run_id, place)) for place in places]
            new_rows.insert(connection, self._run_id, rows)
