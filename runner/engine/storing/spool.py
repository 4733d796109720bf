"""The spool: files that keep what a process knows and the database does not know yet.

A record is one `write` without fsync: the page cache outlives kill -9, and the group commit that follows
covers a loss of power. Each process appends to its own segments; a segment is deleted when the database has
all its records. The records of one attempt, in order:

    s JOB ATTEMPT                                     the POST leaves now
    a JOB ATTEMPT SENT_MS ACCEPTED_MS REQUEST_ID      the API accepted it
    r JOB ATTEMPT RECEIVED_MS REQUEST_ID LENGTH CRC   an answer; its bytes follow
    u JOB ATTEMPT RECEIVED_MS REQUEST_ID LENGTH CRC   a 200 that is no answer; its bytes follow

Older versions wrote an `r` for both.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SEGMENT_BYTES = 8 << 20
STALE_S = 60.0
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRecord:
    """A POST was about to leave."""

    job_id: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedRecord:
    """The API accepted the attempt and gave a request_id."""

    job_id: int
    attempt: int
    sent_at_ms: int
    accepted_at_ms: int
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRecord:
    """A fetch brought these bytes; `is_answer` says for readers of the file what they were.

    Recovery classifies the bytes itself, since older versions wrote all of them as answers.
    """

    job_id: int
    attempt: int
    received_at_ms: int
    request_id: str
    body: bytes
    is_answer: bool = True


Record = SentRecord | AcceptedRecord | AnswerRecord


class Segment:
    """One file of a spool. It is deleted when it is closed and all its records are acknowledged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        self.size = 0
        self._unacknowledged = 0
        self._is_closed = False

    def append(self, record: bytes) -> None:
        """Append one record whole, or raise OSError and leave none of it."""
        written = os.write(self.file, record)
        if written < len(record):  # the disk is full: a partial record would hide those after it
            os.ftruncate(self.file, self.size)
            raise OSError(28, "no space left for the spool", str(self.path))
        self.size += written
        self._unacknowledged += 1

    @property
    def is_acknowledged(self) -> bool:
        """Return whether the database has all its records."""
        return self._unacknowledged == 0

    def acknowledge(self) -> None:
        """Acknowledge one record as committed; delete the file if it is closed and all are acknowledged."""
        self._unacknowledged -= 1
        self._delete_if_done()

    def close(self) -> None:
        """Close the file; no more records come."""
        self._is_closed = True
        os.close(self.file)
        self._delete_if_done()

    def _delete_if_done(self) -> None:
        if self._is_closed and self._unacknowledged == 0:
            self.path.unlink(missing_ok=True)


class Spool:
    """The spool of one process, named by its worker id. It holds a lock on it for the life of the process."""

    def __init__(self, folder: Path, worker: int) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._worker, self._segments_made = folder, worker, 0
        self._lock = os.open(_lock_path(folder, worker), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._set_old_segments_aside()
        self._segment = self._new_segment()
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, boot_id(), 0)

    def append_sent(self, job_id: int, attempt: int) -> Segment:
        """Append that a POST leaves now; return the segment, to be acknowledged. Raises OSError."""
        return self._append(f"s {job_id} {attempt}\n".encode())

    def append_accepted(self, record: AcceptedRecord) -> Segment:
        """Append the request_id of an accepted attempt; as `append_sent`."""
        return self._append(_accepted_line(record))

    def append_answer(self, record: AnswerRecord) -> Segment:
        """Append the bytes that a fetch brought; as `append_sent`."""
        return self._append(_answer_record(record))

    def append_answered(self, accepted: AcceptedRecord, answer: AnswerRecord) -> Segment:
        """Append both records of an attempt that was answered at once, in one write: acknowledge it once."""
        return self._append(_accepted_line(accepted) + _answer_record(answer))

    @property
    def is_acknowledged(self) -> bool:
        """Return whether the database has every record; all closed segments are deleted then."""
        left = [path for path in self._folder.glob(f"{self._worker}-*.spool") if path != self._segment.path]
        return self._segment.is_acknowledged and not left

    def close(self) -> None:
        """Close the spool. Records that are not acknowledged stay on disk for recovery."""
        self._segment.close()
        if not any(self._folder.glob(f"{self._worker}-*.spool")):
            _lock_path(self._folder, self._worker).unlink(missing_ok=True)
        os.close(self._lock)

    def _set_old_segments_aside(self) -> None:
        """Rename segments older than the worker: they belong to another, deleted database."""
        for path in self._folder.glob(f"{self._worker}-*.spool"):
            path.rename(path.with_name(f"{path.stem}.{path.stat().st_mtime_ns}.strange"))

    def _append(self, record: bytes) -> Segment:
        if self._segment.size > SEGMENT_BYTES:
            full, self._segment = self._segment, self._new_segment()
            full.close()
        self._segment.append(record)
        return self._segment

    def _new_segment(self) -> Segment:
        self._segments_made += 1
        return Segment(self._folder / f"{self._worker}-{self._segments_made}.spool")


class OrphanedSpool:
    """The spool of a process that has ended, locked while it is read so that it is imported once."""

    def __init__(self, folder: Path, worker: int, lock: int) -> None:
        self._folder, self.worker, self._lock = folder, worker, lock

    @property
    def is_whole(self) -> bool:
        """Return whether a missing record proves that nothing happened.

        Not after a loss of power, which takes what the page cache held, and not if files are missing.
        """
        return os.pread(self._lock, 64, 0) == boot_id() and bool(self._segments())

    @property
    def is_empty(self) -> bool:
        """Return whether the process wrote nothing."""
        return not any(path.stat().st_size for path in self._segments())

    def records(self) -> Iterator[Record]:
        """Yield the records in the order they were written; a cut record ends its segment."""
        for path in self._segments():
            yield from read(path)

    def remove(self) -> None:
        """Delete the spool, after its records are in the database."""
        for path in self._segments():
            path.unlink(missing_ok=True)
        _lock_path(self._folder, self.worker).unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Release the lock; the files stay."""
        os.close(self._lock)

    def _segments(self) -> list[Path]:
        found = self._folder.glob(f"{self.worker}-*.spool")
        return sorted(found, key=lambda path: int(path.stem.split("-")[1]))


def claim_orphaned(folder: Path, worker: int) -> OrphanedSpool | None:
    """Lock and return the spool of a worker if its process has ended, else None."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(_lock_path(folder, worker), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return OrphanedSpool(folder, worker, lock)


def remove_stale(folder: Path, known: Iterable[int]) -> None:
    """Delete empty spools, older than STALE_S, of processes that ended before they were recorded as workers.

    `known`: the ids of recorded workers, whose spools stay.
    """
    for lock in folder.glob("*.lock"):
        worker = int(lock.stem)
        try:
            old_s = time.time() - lock.stat().st_mtime
        except FileNotFoundError:  # its worker has just ended
            continue
        if worker in known or old_s < STALE_S:
            continue
        spool = claim_orphaned(folder, worker)
        if spool is not None and spool.is_empty:
            spool.remove()
        elif spool is not None:
            spool.release()


def read(path: Path) -> Iterator[Record]:
    """Yield the whole records of one segment; a cut or unreadable record ends it."""
    with path.open("rb") as file:
        while (line := file.readline()).endswith(b"\n"):
            try:
                record = _record(line.decode("ascii").split(), file)
            except ValueError:  # after a loss of power the file may hold anything
                record = None
            if record is None:
                return
            yield record


def _record(words: list[str], file: BinaryIO) -> Record | None:
    match words:
        case ["s", job, attempt]:
            return SentRecord(job_id=int(job), attempt=int(attempt))
        case ["a", job, attempt, sent, accepted, request_id]:
            return AcceptedRecord(
                job_id=int(job),
                attempt=int(attempt),
                sent_at_ms=int(sent),
                accepted_at_ms=int(accepted),
                request_id=unquote(request_id),
            )
        case ["r" | "u" as kind, job, attempt, received, request_id, length, crc]:
            body = file.read(int(length))
            if file.read(1) != b"\n" or zlib.crc32(body) != int(crc):
                return None
            return AnswerRecord(
                job_id=int(job),
                attempt=int(attempt),
                received_at_ms=int(received),
                request_id=unquote(request_id),
                body=body,
                is_answer=kind == "r",
            )
    return None


def _accepted_line(record: AcceptedRecord) -> bytes:
    return (
        f"a {record.job_id} {record.attempt} {record.sent_at_ms} {record.accepted_at_ms}"
        f" {_quoted(record.request_id)}\n".encode()
    )


def _answer_record(record: AnswerRecord) -> bytes:
    kind = "r" if record.is_answer else "u"
    head = (
        f"{kind} {record.job_id} {record.attempt} {record.received_at_ms} {_quoted(record.request_id)}"
        f" {len(record.body)} {zlib.crc32(record.body)}\n"
    )
    return b"%b%b\n" % (head.encode(), record.body)


def _quoted(word: str) -> str:
    return word if _PLAIN.fullmatch(word) else quote(word, safe="")


def boot_id() -> bytes:
    """Return the id of this boot of the kernel; empty where the system has none."""
    try:
        return _BOOT_ID.read_bytes().strip()
    except OSError:
        return b""


def _lock_path(folder: Path, worker: int) -> Path:
    return folder / f"{worker}.lock"
