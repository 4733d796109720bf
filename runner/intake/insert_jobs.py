"""Inserts what a reading yields as the jobs of a run, chunk by chunk, in two threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from runner.db.counts.counters import Deltas
from runner.db.intake import new_jobs
from runner.db.intake.frames import StoredFrame
from runner.db.intake.new_jobs import NewJob
from runner.intake.row_mapping import RowMapping
from runner.intake.run_input import SkippedRow
from runner.rules.labels.row_status import RowStatus

if TYPE_CHECKING:
    from runner.db.session import Database
    from runner.intake.run_input import Reading
    from runner.rules.requests.request import Request
    from runner.tables.lines import Line

ROWS_PER_COMMIT = 5_000
BYTES_PER_COMMIT = 4 << 20  # a chunk may exceed it by one line, and lines may be large
LARGE_CHUNK_BYTES = 16 << 20  # of such a chunk only one is in memory
FRAME = 0  # the number of the only frame of a run

Progress = Callable[[int, int], None]  # lines read so far, bytes read so far


class _Chunk:
    """What one transaction inserts: jobs, and the skipped rows of a table among them."""

    __slots__ = ("jobs", "size_bytes", "skipped")

    def __init__(self) -> None:
        self.jobs: list[NewJob] = []
        self.skipped: list[SkippedRow] = []
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self.jobs) + len(self.skipped)


class JobInserter:
    """Inserts the requests of a reading, as long as nothing refuses the input.

    A thread inserts a chunk while the next one is read: the database works without the interpreter lock.
    """

    def __init__(self, database: Database, run_id: int, reading: Reading, progress: Progress) -> None:
        """Read nothing yet; `progress` is called after each chunk."""
        self._database, self._run_id, self._reading, self._progress = database, run_id, reading, progress
        self._frame = None if reading.frame is None else FRAME
        self._rows = None if reading.frame is None else RowMapping(run_id)
        self._written = self._skipped = 0
        self._writing: Future[None] | None = None

    def insert_all(self, size_bytes: int) -> None:
        """Read to the end and insert in chunks. Stop where a file has grown past `size_bytes`."""
        self._begin()
        with ThreadPoolExecutor(1, "load") as writer:
            self._read(size_bytes, writer)
            self._wait()
        self._end()

    def _read(self, size_bytes: int, writer: ThreadPoolExecutor) -> None:
        reading = self._reading
        chunk = _Chunk()
        for line, request in reading.requests():
            if isinstance(request, SkippedRow):
                chunk.skipped.append(request)
            else:
                chunk.jobs.append(_new_job(line, request, self._frame))
                chunk.size_bytes += len(request.body)
            del line, request  # they may be large, and the next ones are built before these would be freed
            if len(chunk) >= ROWS_PER_COMMIT or chunk.size_bytes >= BYTES_PER_COMMIT:
                self._write(chunk, writer)
                if chunk.size_bytes >= LARGE_CHUNK_BYTES:
                    self._wait()
                self._progress(reading.line_count, reading.byte_count)
                chunk = _Chunk()
                if reading.byte_count > size_bytes:
                    break
        self._write(chunk, writer)

    def _write(self, chunk: _Chunk, writer: ThreadPoolExecutor) -> None:
        """Submit a chunk to the thread, after the one before it; raise the error of that one, if any."""
        self._wait()
        if len(chunk) and self._reading.may_be_loaded:
            self._writing = writer.submit(self._insert, self._written, chunk)
        self._written += len(chunk.jobs)
        self._skipped += len(chunk.skipped)

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _insert(self, first: int, chunk: _Chunk) -> None:
        with self._database.write() as connection:
            new_jobs.insert(connection, self._run_id, first, chunk.jobs)
            if self._rows is not None:
                self._rows.add(connection, first, chunk.jobs, chunk.skipped)

    def _begin(self) -> None:
        """Insert the frame, which the jobs refer to."""
        frame = self._reading.frame
        if frame is not None:
            with self._database.write() as connection:
                stored = StoredFrame(FRAME, frame.head, frame.tail)
                new_jobs.insert_frames(connection, self._run_id, [stored])

    def _end(self) -> None:
        """Count the rows that have no job, and map the others where only the last ones have none."""
        row_total = self._reading.row_total
        if (
            self._rows is None
            or row_total is None
            or row_total == self._written
            or not self._reading.may_be_loaded
        ):
            return
        deltas = Deltas(0)
        deltas.add(self._run_id, "rows", RowStatus.SKIPPED, self._skipped)
        deltas.add(self._run_id, "rows", RowStatus.EXCLUDED, row_total - self._written - self._skipped)
        with self._database.write() as connection:
            self._rows.map_from_begin(connection, self._written)
            deltas.write(connection)


def _new_job(line: Line, request: Request, frame: int | None) -> NewJob:
    return NewJob(
        line=line.number,
        custom_id=request.custom_id,
        model=request.model,
        prompt_tokens=request.prompt_tokens_estimate,
        output_tokens_max=request.max_output_tokens,
        body=request.body,
        extra=request.metadata,
        conv_id=request.conv_id,
        frame=frame,
    )
