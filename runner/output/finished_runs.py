"""Writes the files of finished runs into the folder RUNNER_OUTPUT_DIR; any worker may do it."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner.db.events import events
from runner.db.runs import runs
from runner.output.write import write_job_results
from runner.rules.errors import UserError
from runner.rules.event_kinds import EventKind

if TYPE_CHECKING:
    from runner.db.runs.run_row import RunRow
    from runner.db.session import Database

MAX_AGE_MS: Final = 24 * 3600 * 1000  # runs that ended earlier are from before the setting was made
RETRY_AFTER_S: Final = 60.0
_STEM_BYTES: Final = 80
_NOT_IN_NAMES: Final = re.compile(r"[^\w.+-]+")
log = logging.getLogger("runner.output")


class FinishedRunWriter:
    """Writes finished runs in one process; it remembers which failed, and tries these again later."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database, self._folder = database, folder
        self._retry_at_s: dict[int, float] = {}

    def write(self) -> None:
        """Write the files of every ended run that no worker has written since; record failures as warnings.

        Two workers may write the same run at once: they write the same bytes, each file whole.
        """
        now_ms = self._database.now_ms()
        with self._database.read() as connection:
            unwritten = runs.ended_without_files(connection, since_ms=now_ms - MAX_AGE_MS)
        for run in unwritten:
            if self._retry_at_s.get(run.id, 0.0) <= time.monotonic():
                self._write(run)

    def _write(self, run: RunRow) -> None:
        target = self._folder / file_name(run)
        try:
            written = write_job_results(self._database, run.id, target)
        except UserError as error:
            self._retry_at_s[run.id] = time.monotonic() + RETRY_AFTER_S
            log.warning("run.not_written run=%d cause=%s", run.id, error)
            self._note(run.id, EventKind.WARNING, f"its files could not be written: {error.what}")
            return
        log.info("run.written run=%d lines=%d", run.id, written.results.lines)
        self._note(run.id, EventKind.WRITTEN, str(target))

    def _note(self, run_id: int, kind: EventKind, cause: str) -> None:
        now_ms = self._database.now_ms()
        with self._database.write() as connection:
            if kind == EventKind.WRITTEN:
                events.record(connection, run_id, now_ms, kind, cause)
            else:
                events.record_once(connection, run_id, now_ms, kind, cause)


def file_name(run: RunRow) -> str:
    """Return the name of a run's results file: the run's name with safe characters only, and its id."""
    safe = _NOT_IN_NAMES.sub("_", Path(run.name).name).strip("._")
    stem = safe.encode()[:_STEM_BYTES].decode(errors="ignore") or "run"
    return f"{stem}-{run.id}.results.jsonl"
