"""Finished runs, written where `RUNNER_OUTPUT_DIR` says by whichever worker comes first."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner.db import events, runs
from runner.output.write import write_run
from runner.rules.errors import UserError

if TYPE_CHECKING:
    from runner.db.runs import RunRow
    from runner.db.session import Database

WITHIN_MS: Final = 24 * 3600 * 1000  # older ones were there before anybody asked for files
AGAIN_S: Final = 60.0
_ODD: Final = re.compile(r"[^\w.+-]+")
log = logging.getLogger("runner.output")


class Finished:
    """Remembers, for its process, what could not be written and is to be tried later."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database, self._folder = database, folder
        self._again_at: dict[int, float] = {}

    def write(self) -> None:
        """Write every run that has ended and whose files are not written since; a failure is told and kept.

        Two workers at once write the same bytes, each file whole.
        """
        now_ms = self._database.now_ms()
        with self._database.read() as connection:
            unwritten = runs.unwritten(connection, since_ms=now_ms - WITHIN_MS)
        for run in unwritten:
            if self._again_at.get(run.id, 0.0) <= time.monotonic():
                self._write(run)

    def _write(self, run: RunRow) -> None:
        target = self._folder / file_name(run)
        try:
            written = write_run(self._database, run.id, target)
        except UserError as error:
            self._again_at[run.id] = time.monotonic() + AGAIN_S
            log.warning("run.not_written run=%d cause=%s", run.id, error)
            self._note(run.id, events.WARNING, f"its files could not be written: {error.what}")
            return
        log.info("run.written run=%d lines=%d", run.id, written.results.lines)
        self._note(run.id, events.WRITTEN, str(target))

    def _note(self, run_id: int, kind: str, what: str) -> None:
        now_ms = self._database.now_ms()
        with self._database.write() as connection:
            if kind == events.WRITTEN:
                events.note(connection, run_id, now_ms, kind, what)
            else:
                events.note_once(connection, run_id, now_ms, kind, what)


def file_name(run: RunRow) -> str:
    """Name the results file of a run: its name, as far as a file may have it, and its id."""
    stem = _ODD.sub("_", Path(run.name).name).strip("._")[:80] or "run"
    return f"{stem}-{run.id}.results.jsonl"
