"""Writes to the spool as long as the disk takes them; the database may still take what a full disk cannot."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.engine.storing.disk_space import DiskSpace
    from runner.engine.storing.spool import AcceptedRecord, AnswerRecord, Segment, Spool

log = logging.getLogger("runner.spool")


class SpoolWriter:
    """Each method returns the segment, to be acknowledged once the database has it; None: not written."""

    def __init__(self, spool: Spool, disk: DiskSpace) -> None:
        self._spool, self._disk = spool, disk

    def sent(self, job_id: int, attempt: int) -> Segment | None:
        """Record a POST, right before it is sent; None as well while the disk has no space for its answer."""
        if self._disk.problem():
            return None
        return self._write(lambda: self._spool.append_sent(job_id, attempt))

    def accepted(self, record: AcceptedRecord) -> Segment | None:
        """Record a request_id."""
        return self._write(lambda: self._spool.append_accepted(record))

    def answer(self, record: AnswerRecord) -> Segment | None:
        """Record what a fetch brought."""
        return self._write(lambda: self._spool.append_answer(record))

    def answered(self, accepted: AcceptedRecord, answer: AnswerRecord) -> Segment | None:
        """Record an acceptance and its answer, in one write."""
        return self._write(lambda: self._spool.append_answered(accepted, answer))

    def _write(self, append: Callable[[], Segment]) -> Segment | None:
        try:
            return append()
        except OSError as error:
            log.error("spool.failed cause=%s", error)
            self._disk.write_failed(error)
            return None
