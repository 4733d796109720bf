"""Atomic file writes: each file appears whole or not at all, compressed where its name says so.

A draft is written beside its target under a temporary name, flushed to the disk, and renamed over it.
Every open draft has a kernel lock: one without it is stale, left by a crashed process.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Self

from runner.rules.errors import UserError
from runner.rules.os_text import reason_of
from runner.rules.summary_object import WrittenFile
from runner.tables.file_place import DRAFT_SUFFIX, check_place, draft_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future, ThreadPoolExecutor
    from pathlib import Path
    from types import TracebackType

_BUFFER_BYTES: Final = 1024 * 1024
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_GZIP: Final = 16 + zlib.MAX_WBITS


def is_gzip_name(path: Path) -> bool:
    """Return whether a file is compressed with gzip, by its name."""
    return path.suffix.lower() == ".gz"


class DraftFile:
    """A file being written: `publish` puts it in place; leaving the `with` block without it removes it.

    A large file is compressed, hashed and written by a thread of its own while the caller makes the next
    lines. It is gzip where the name of the target says so; the same content makes the same bytes.

    Raises UserError where the disk is full or a write fails; the old file then stays as it was.
    """

    def __init__(self, target: Path, *, keeps_stale: bool = False, flag: str = "-o") -> None:
        """Write nothing yet. With `keeps_stale` the stale drafts of the target are left until `publish`.

        `flag` is the one that errors name as the cure.
        """
        self.target = target
        self.flag = flag
        self._keeps_stale = keeps_stale
        self._digest = hashlib.sha256()
        self._packer = _packer(target)
        self._lines = self._bytes = 0
        self._buffer: list[bytes] = []
        self._buffer_bytes = 0
        self._writer: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        with _user_errors(self.target, self.flag):
            check_place(self.target, self.flag)
            if not self._keeps_stale:
                _remove_stale(self.target)
            self._part, self._fd = _open_part(self.target)
            with suppress(FileNotFoundError):
                os.fchmod(self._fd, stat.S_IMODE(self.target.lstat().st_mode))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.shutdown()
        with suppress(FileNotFoundError):
            self._part.unlink()
        os.close(self._fd)

    def add(self, line: bytes) -> None:
        """Append one line, its line end included; or any other part, where `finish` is given the lines."""
        self._buffer.append(line)
        self._buffer_bytes += len(line)
        if self._buffer_bytes >= _BUFFER_BYTES:
            self._submit_buffer()

    def restart(self) -> None:
        """Drop all that was added, so that other content can be."""
        self._wait()
        self._take()
        self._digest = hashlib.sha256()
        self._packer = _packer(self.target)
        self._lines = self._bytes = 0
        with _user_errors(self.target, self.flag):
            os.ftruncate(self._fd, 0)
            os.lseek(self._fd, 0, os.SEEK_SET)

    def finish(self, lines: int | None = None) -> WrittenFile:
        """Flush everything to the disk, still under the temporary name; return the facts of the file.

        Its digest and size are those on the disk. `lines` are those in it; None for as many as were added.
        """
        self._wait()
        self._write(self._take())
        if self._packer is not None:
            self._store(self._packer.flush())
        with _user_errors(self.target, self.flag):
            os.fsync(self._fd)
        return WrittenFile(
            name=self.target.name,
            sha256=self._digest.hexdigest(),
            lines=self._lines if lines is None else lines,
            bytes=self._bytes,
        )

    def _submit_buffer(self) -> None:
        """Submit the buffer to the writer thread; raise the error of the write before, if it had one."""
        self._wait()
        if self._writer is None:
            from concurrent.futures import ThreadPoolExecutor  # most files are small and need no thread

            self._writer = ThreadPoolExecutor(1, "draft")
        self._writing = self._writer.submit(self._write, self._take())

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _take(self) -> bytes:
        chunk = b"".join(self._buffer)
        self._lines += len(self._buffer)
        self._buffer.clear()
        self._buffer_bytes = 0
        return chunk

    def _write(self, chunk: bytes) -> None:
        self._store(chunk if self._packer is None else self._packer.compress(chunk))

    def _store(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self._bytes += len(chunk)
        rest = memoryview(chunk)
        with _user_errors(self.target, self.flag):
            while rest:
                rest = rest[os.write(self._fd, rest) :]

    def publish(self) -> None:
        """Rename the finished draft over its target."""
        with _user_errors(self.target, self.flag):
            self._part.replace(self.target)

    def publish_new(self, target: Path) -> bool:
        """Give the finished draft a name of its folder that is free; return False where it is not."""
        with _user_errors(target, self.flag):
            try:
                target.touch(exist_ok=False)  # whoever makes it has the name
            except FileExistsError:
                return False
            self._part.replace(target)
        return True

    def remove_stale(self) -> None:
        """Remove the stale drafts of the target that were kept until it was published."""
        if self._keeps_stale:
            with _user_errors(self.target, self.flag):
                _remove_stale(self.target)


def publish(drafts: Sequence[DraftFile]) -> None:
    """Publish finished drafts of one folder in this order, and flush the folder to the disk."""
    for draft in drafts:
        draft.publish()
    with _user_errors(drafts[0].target, drafts[0].flag):
        folder = os.open(drafts[0].target.absolute().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    for draft in drafts:
        draft.remove_stale()


def write_whole(target: Path, text: str, flag: str = "-o") -> None:
    """Write one small text file whole or not at all. Raises UserError, whose cure names `flag`."""
    with DraftFile(target, flag=flag) as draft:
        draft.add(text.encode("utf-8", "backslashreplace"))
        draft.finish()
        publish([draft])


def _open_part(target: Path) -> tuple[Path, int]:
    """Create a draft and lock it; try again where `_remove_stale` removed it before it was locked."""
    while True:
        part = target.with_name(draft_name(target.name))
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with suppress(OSError):  # some network file systems have no locks; there no draft is removed either
            # This waits for a `_remove_stale` that has locked the draft and removes it next.
            fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_nlink:
            return part, fd
        os.close(fd)


def is_same_file(path: Path, written: WrittenFile) -> bool:
    """Return whether a file has the content of the one that `written` describes. Raises OSError."""
    if path.stat().st_size != written.bytes:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == written.sha256


def drafts_of(target: Path) -> list[Path]:
    """Return the drafts of a file: of processes that write it now, and of those that died before the end."""
    try:
        beside = list(target.absolute().parent.iterdir())
    except OSError:
        return []
    return [
        part for part in beside if part.name.startswith(f".{target.name}.") and part.suffix == DRAFT_SUFFIX
    ]


def _remove_stale(target: Path) -> None:
    """Remove the stale drafts of this target: those that no process has locked."""
    for part in drafts_of(target):
        with suppress(OSError):
            fd = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()
            finally:
                os.close(fd)


@contextmanager
def _user_errors(target: Path, flag: str) -> Iterator[None]:
    """Raise an OSError of the block as a UserError with a sentence for the user."""
    try:
        yield
    except OSError as error:
        fix = f"choose another place with {flag}"
        if error.errno in _FULL:
            fix = "make room on that disk and write the files again; every answer is kept in the database"
        raise UserError(f"{target} cannot be written: {reason_of(error)}", fix=fix) from error


def _packer(target: Path) -> zlib._Compress | None:
    """Return what compresses the content; its header has no time and no name. None for other names."""
    return zlib.compressobj(wbits=_GZIP) if is_gzip_name(target) else None
