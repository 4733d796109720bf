"""Inserts what a reading yields as the jobs of a run, chunk by chunk, in two threads."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from runner.db import new_jobs
from runner.db.new_jobs import NewJob

if TYPE_CHECKING:
    from runner.db.session import Database
    from runner.intake.run_input import Reading
    from runner.rules.request import Request
    from runner.tables.lines import Line

ROWS_PER_COMMIT = 5_000
BYTES_PER_COMMIT = 16 << 20
_SWITCH_S = 0.0005  # the thread switch interval: at 5 ms the writing thread waits that long, twice a chunk

Progress = Callable[[int, int], None]  # lines read so far, bytes read so far


class _Chunk(NamedTuple):
    """What one transaction inserts."""

    jobs: list[NewJob]


class JobInserter:
    """Inserts the requests of a reading, as long as nothing refuses the input.

    A thread inserts a chunk while the next one is read: the database works without the interpreter lock.
    """

    def __init__(self, database: Database, run_id: int, reading: Reading, progress: Progress) -> None:
        """Read nothing yet; `progress` is called after each chunk."""
        self._database, self._run_id, self._reading, self._progress = database, run_id, reading, progress
        self._written = 0
        self._writing: Future[None] | None = None

    def insert_all(self, size_bytes: int) -> None:
        """Read to the end and insert in chunks. Stop where a file has grown past `size_bytes`."""
        switch_s = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_S)
        gc.disable()  # it would scan every chunk again and again, and there are no reference cycles here
        try:
            with ThreadPoolExecutor(1, "load") as writer:
                self._read(size_bytes, writer)
                self._wait()
        finally:
            gc.enable()
            sys.setswitchinterval(switch_s)

    def _read(self, size_bytes: int, writer: ThreadPoolExecutor) -> None:
        chunk: list[NewJob] = []
        size = 0
        reading = self._reading
        for line, request in reading.requests():
            chunk.append(_new_job(line, request))
            size += len(request.body)
            del line, request  # they may be large, and the next ones are built before these would be freed
            if len(chunk) >= ROWS_PER_COMMIT or size >= BYTES_PER_COMMIT:
                self._write(chunk, writer)
                if size >= BYTES_PER_COMMIT:
                    self._wait()  # two such chunks in memory would be too much
                gc.collect(0)
                self._progress(reading.line_count, reading.byte_count)
                chunk, size = [], 0
                if reading.byte_count > size_bytes:
                    break
        self._write(chunk, writer)

    def _write(self, chunk: list[NewJob], writer: ThreadPoolExecutor) -> None:
        """Submit a chunk to the thread, after the one before it; raise the error of that one, if any."""
        self._wait()
        if chunk and self._reading.may_be_loaded:
            self._writing = writer.submit(self._insert, self._written, chunk)
        self._written += len(chunk)

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _insert(self, first: int, chunk: list[NewJob]) -> None:
        with self._database.write() as connection:
            new_jobs.insert(connection, self._run_id, first, chunk)


def _new_job(line: Line, request: Request) -> NewJob:
    return NewJob(
        line=line.number,
        custom_id=request.custom_id,
        model=request.model,
        prompt_tokens=request.prompt_tokens_estimate,
        output_tokens_max=request.max_output_tokens,
        body=request.body,
        extra=request.metadata,
        conv_id=request.conv_id,
    )
