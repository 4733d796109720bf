"""The spool on a disk that takes nothing: no POST leaves, and answers go to the database alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runner.engine.storing.disk_space import DiskSpace
from runner.engine.storing.spool import AcceptedRecord, AnswerRecord, Segment, Spool
from runner.engine.storing.spool_writer import SpoolWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCEPTED = AcceptedRecord(job_id=1, attempt=1, sent_at_ms=1, accepted_at_ms=2, request_id="id")
ANSWER = AnswerRecord(job_id=1, attempt=1, received_at_ms=3, request_id="id", body=b"{}")


@pytest.fixture
def disk(tmp_path: Path) -> DiskSpace:
    return DiskSpace(tmp_path)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path, 1)
    yield opened
    opened.close()


def test_each_record_is_acknowledged_by_its_segment(spool: Spool, disk: DiskSpace) -> None:
    """All records of an empty spool are in one segment."""
    writer = SpoolWriter(spool, disk)
    segments = [writer.sent(1, 1), writer.accepted(ACCEPTED), writer.answer(ANSWER)]
    segments.append(writer.answered(ACCEPTED, ANSWER))
    assert not spool.is_acknowledged
    for segment in segments:
        assert segment is not None
        segment.acknowledge()
    assert spool.is_acknowledged


def test_a_write_that_fails_is_reported_to_the_disk_check(
    spool: Spool, disk: DiskSpace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A quota, or a read-only disk: there seemed to be space. Nothing more is sent for a while."""

    def full(*_: object) -> None:
        raise OSError(28, "no space left")

    writer = SpoolWriter(spool, disk)
    monkeypatch.setattr("runner.engine.storing.disk_space._FAILED_WRITE_S", 3600.0)
    with monkeypatch.context() as patch:
        patch.setattr(Segment, "append", full)
        assert writer.answer(ANSWER) is None
    assert "spool.failed" in caplog.text
    assert "no space left" in (disk.problem() or "")
    assert writer.sent(1, 1) is None
    segment = writer.accepted(ACCEPTED)  # it is paid: whatever the check says, the record is tried
    assert segment is not None
    segment.acknowledge()
