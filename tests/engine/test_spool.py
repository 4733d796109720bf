"""The spool: what was written whole comes back, whatever ended the writer."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.engine.storing import spool
from runner.engine.storing.spool import (
    STALE_S,
    AcceptedRecord,
    AnswerRecord,
    Record,
    SentRecord,
    Spool,
    claim_orphaned,
    read,
    remove_stale,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NUMBERS = st.integers(0, 2**62)
IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
RECORDS = st.one_of(
    st.builds(SentRecord, job_id=NUMBERS, attempt=NUMBERS),
    st.builds(
        AcceptedRecord,
        job_id=NUMBERS,
        attempt=NUMBERS,
        sent_at_ms=NUMBERS,
        accepted_at_ms=NUMBERS,
        request_id=IDS,
    ),
    st.builds(
        AnswerRecord,
        job_id=NUMBERS,
        attempt=NUMBERS,
        received_at_ms=NUMBERS,
        request_id=IDS,
        body=st.binary(max_size=80) | st.just(b"\ns 1 1\n"),
        is_answer=st.booleans(),
    ),
)
SOME: tuple[Record, ...] = (
    SentRecord(job_id=1, attempt=1),
    AcceptedRecord(job_id=1, attempt=1, sent_at_ms=5, accepted_at_ms=6, request_id="a b/\u00e9\n"),
    AnswerRecord(job_id=1, attempt=1, received_at_ms=7, request_id="a b/\u00e9\n", body=b'{"x":\n1}'),
    SentRecord(job_id=2, attempt=1),
)


def write(into: Spool, record: Record) -> spool.Segment:
    match record:
        case SentRecord():
            return into.append_sent(record.job_id, record.attempt)
        case AcceptedRecord():
            return into.append_accepted(record)
        case AnswerRecord():
            return into.append_answer(record)


def left_by(folder: Path, worker: int) -> list[Record]:
    dead = claim_orphaned(folder, worker)
    assert dead is not None
    found = list(dead.records())
    dead.release()
    return found


@given(records=st.lists(RECORDS, max_size=12))
def test_what_is_written_comes_back(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any ids, any bytes, in the order they were written."""
    folder = tmp_path_factory.mktemp("spool")
    writer = Spool(folder, 3)
    for record in records:
        write(writer, record)
    writer.close()

    assert left_by(folder, 3) == records


def test_a_tail_torn_at_any_byte_keeps_all_before_it(tmp_path: Path) -> None:
    """A record counts when its last byte is there; half of one is none, and hides none before it."""
    writer = Spool(tmp_path, 1)
    path = tmp_path / "1-1.spool"
    ends = [0]
    for record in SOME:
        write(writer, record)
        ends.append(path.stat().st_size)
    whole = path.read_bytes()
    torn = tmp_path / "torn"

    for whole_records, (start, end) in enumerate(pairwise(ends)):
        for size in range(start, end):
            torn.write_bytes(whole[:size])
            assert tuple(read(torn)) == SOME[:whole_records], size
    writer.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0" * 64,
        b"s one 1\n",
        b"s 1\n",
        b"\n",
        b"x 1 1\n",
        b"\xff\xfe\n",
        b"r 1 1 1 id -5 0\n",
        b"r 1 1 1 id 99 0\n",
        b"u 1 1 1 id 1 7\nx\n",
    ],
)
def test_garbage_ends_a_segment_and_nothing_worse(tmp_path: Path, garbage: bytes) -> None:
    """After a loss of power a file may hold anything; what stands before is still good."""
    path = tmp_path / "1-1.spool"
    path.write_bytes(b"s 1 1\n" + garbage + b"s 2 1\n")

    assert list(read(path)) == [SentRecord(job_id=1, attempt=1)]


def test_an_answer_whose_bytes_changed_is_none(tmp_path: Path) -> None:
    """The checksum is over the body."""
    writer = Spool(tmp_path, 1)
    write(writer, SOME[2])
    writer.close()
    path = tmp_path / "1-1.spool"
    path.write_bytes(path.read_bytes().replace(b"1}", b"2}"))

    assert list(read(path)) == []


def test_segments_turn_over_and_go_when_all_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full segment stays as long as one record of it is not in the database."""
    monkeypatch.setattr(spool, "SEGMENT_BYTES", 20)
    writer = Spool(tmp_path, 1)
    marks = [writer.append_sent(job, 1) for job in range(12)]
    first = [mark for mark in marks if mark is marks[0]]
    assert 1 < len(first) < 12
    path = marks[0].path

    for mark in first[:-1]:
        mark.acknowledge()
    assert path.exists()
    first[-1].acknowledge()
    assert not path.exists()

    assert [record.job_id for record in left_by_living(tmp_path, 1)] == list(range(len(first), 12))
    for mark in marks[len(first) :]:
        mark.acknowledge()
    writer.close()
    assert list(tmp_path.iterdir()) == [], "in good order nothing stays, not even the lock"


def left_by_living(folder: Path, worker: int) -> list[Record]:
    paths = sorted(folder.glob(f"{worker}-*.spool"), key=lambda path: int(path.stem.split("-")[1]))
    return [record for path in paths for record in read(path)]


def test_the_order_of_segments_is_that_of_their_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten comes after nine, not after one."""
    monkeypatch.setattr(spool, "SEGMENT_BYTES", 0)
    writer = Spool(tmp_path, 1)
    for job in range(12):
        writer.append_sent(job, 1)
    writer.close()

    assert [record.job_id for record in left_by(tmp_path, 1)] == list(range(12))


def test_the_spool_of_a_living_process_is_not_taken(tmp_path: Path) -> None:
    """Its lock lasts as long as it does; a second one of the same name cannot begin."""
    writer = Spool(tmp_path, 1)
    writer.append_sent(1, 1)

    assert claim_orphaned(tmp_path, 1) is None
    with pytest.raises(BlockingIOError):
        Spool(tmp_path, 1)
    writer.close()
    dead = claim_orphaned(tmp_path, 1)
    assert dead is not None
    assert claim_orphaned(tmp_path, 1) is None, "one importer at a time"
    dead.remove()

    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_its_records_and_its_lock(tmp_path: Path) -> None:
    """kill -9 right after a write loses nothing of it."""
    code = (
        "import os, sys; from pathlib import Path; from runner.engine.storing.spool import Spool;"
        "spool = Spool(Path(sys.argv[1]), 5); spool.append_sent(1, 1); os.kill(os.getpid(), 9)"
    )

    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -9

    assert left_by(tmp_path, 5) == [SentRecord(job_id=1, attempt=1)]


def test_what_another_database_left_under_the_same_number_is_put_aside(tmp_path: Path) -> None:
    """A database made anew counts its workers from 1 again; old answers must not become those of its jobs."""
    (tmp_path / "1-1.spool").write_bytes(b"s 77 1\n")

    writer = Spool(tmp_path, 1)
    writer.append_sent(1, 1)
    writer.close()

    assert left_by(tmp_path, 1) == [SentRecord(job_id=1, attempt=1)]
    (aside,) = tmp_path.glob("*.strange")
    assert aside.read_bytes() == b"s 77 1\n"


@pytest.fixture
def small_disk() -> Callable[[int], None]:
    """Let files grow to so many bytes only, from now on to the end of the process it is called in."""

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    return limit


@pytest.mark.parametrize("room", range(0, 40, 3))
def test_without_room_a_record_is_refused_whole(
    tmp_path: Path, small_disk: Callable[[int], None], room: int
) -> None:
    """A record that does not fit leaves nothing of itself, and later ones are readable again."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = Spool(tmp_path, 1)
    writer.append_sent(1, 1)
    small_disk(len(b"s 1 1\n") + room)
    try:
        with pytest.raises(OSError, match=r"[Ff]ile too large|no space left") as refused:
            writer.append_answer(
                AnswerRecord(job_id=1, attempt=1, received_at_ms=1, request_id="x", body=b"y" * 40)
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert refused.value.errno in (errno.ENOSPC, errno.EFBIG)
    writer.append_sent(2, 1)
    writer.close()

    assert left_by(tmp_path, 1) == [SentRecord(job_id=1, attempt=1), SentRecord(job_id=2, attempt=1)]


def test_the_files_are_private(tmp_path: Path) -> None:
    """Answers are nobody else's business."""
    writer = Spool(tmp_path / "new", 1)
    writer.append_sent(1, 1)

    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()} == {0o600}
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    writer.close()


def test_a_spool_that_never_got_on_record_goes_when_it_is_empty(tmp_path: Path) -> None:
    """Not at once, since its process may be about to be on record; never with anything in it."""
    for worker in (1, 2, 3, 4):
        one = Spool(tmp_path, worker)
        if worker == 2:
            one.append_sent(7, 1)
        os.close(one._lock)
    alive = Spool(tmp_path, 5)
    long_ago = time.time() - STALE_S - 1
    for path in tmp_path.glob("*.lock"):
        if path.stem != "4":
            os.utime(path, (long_ago, long_ago))

    remove_stale(tmp_path, known=[3])
    assert sorted(path.stem for path in tmp_path.glob("*.lock")) == ["2", "3", "4", "5"]
    alive.close()


def test_a_spool_whose_worker_ends_meanwhile_is_passed_over(tmp_path: Path) -> None:
    """Its lock was listed, and is gone."""
    (tmp_path / "3.lock").symlink_to(tmp_path / "gone")
    remove_stale(tmp_path, known=[])
