"""Atomic file writes: each output file appears whole or not at all. Knows nothing of runs.

A draft is written beside its target under a temporary name, flushed to the disk, and renamed over it.
Every open draft has a kernel lock: one without it is stale, left by a crashed process.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from runner.rules.errors import UsageError, UserError
from runner.rules.occasion import file_stem, stem_of_file
from runner.rules.summary_object import WrittenFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future, ThreadPoolExecutor
    from types import TracebackType

_SUFFIX: Final = ".runner-part"
_ENDINGS: Final = (".jsonl", ".csv", ".tsv", ".parquet")  # left out of the names of the other two files
_BUFFER_BYTES: Final = 1024 * 1024
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The three files that a run writes."""

    results: Path
    errors: Path
    summary: Path

    def __iter__(self) -> Iterator[Path]:
        """Yield them in the order in which they are put in place."""
        return iter((self.results, self.errors, self.summary))


def paths(output: Path) -> Paths:
    """Return the paths for `OUT.jsonl`, or a table such as `OUT.csv`: OUT.errors.jsonl, OUT.summary.json.

    Raises UserError where `output` is a folder.
    """
    if not output.name or output.is_dir():
        inside = output / "results.jsonl"
        raise UserError(f"{output} is a folder, not a file", fix=f"name a file in it: -o {inside}")
    ending = next((end for end in _ENDINGS if output.name.endswith(end)), "")
    stem = output.name.removesuffix(ending)
    return Paths(
        results=output,
        errors=output.with_name(f"{stem}.errors.jsonl"),
        summary=output.with_name(f"{stem}.summary.json"),
    )


def default_output(source: Path) -> Path:
    """Return the default results path of a job file, in the current folder (reviews.results.jsonl)."""
    return Path(f"{stem_of_file(source.name)}.results.jsonl")


def occasion_output(stem: str, run_name: str) -> Path:
    """Return the default results path of a run of an occasion (reviews.2026-11-28.results.jsonl)."""
    return Path(f"{file_stem(Path(stem).name, run_name)}.results.jsonl")


def labeled_output(table: Path, run_name: str) -> Path:
    """Return the default path of a table with labels, in the current folder (reviews.labeled.csv).

    It has the table's format where its name says one that can be written, else that is CSV.
    """
    name = table.name.lower().removesuffix(".gz")
    ending = next((end for end in _ENDINGS if name.endswith(end)), ".csv")
    return Path(f"{Path(run_name).name}.labeled{ending}")


def check_place(target: Path) -> None:
    """Raise UserError where a file cannot be written: no folder, no permission, a link, no regular file."""
    folder = target.absolute().parent
    if not folder.is_dir():
        raise UserError(f"the folder {folder} does not exist", fix=f"make it: mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"the folder {folder} may not be written to", fix="choose another place with -o")
    with suppress(FileNotFoundError):
        mode = target.lstat().st_mode
        if stat.S_ISLNK(mode):
            what = f"{target} is a symbolic link; runner does not write through links"
            raise UserError(what, fix="name the real file with -o, or remove the link")
        if not stat.S_ISREG(mode):
            raise UserError(f"{target} is not a plain file", fix="choose another name with -o")


def refuse_input(targets: Paths, source: Path, what: str = "the job file") -> None:
    """Raise UsageError where a target is the input itself, by whatever name; `what` is what the input is."""
    for target in targets:
        with suppress(OSError):  # one of them is not there
            if target.samefile(source):
                raise UsageError(f"{target} is {what} itself", fix="name another output with -o")


class DraftFile:
    """A file being written: `publish` puts it in place; leaving the `with` block without it removes it.

    A large file is hashed and written by a thread of its own while the caller makes the next lines.

    Raises UserError where the disk is full or a write fails; the old file then stays as it was.
    """

    def __init__(self, target: Path, *, keeps_stale: bool = False) -> None:
        """Write nothing yet. With `keeps_stale` the stale drafts of the target are left until `publish`."""
        self.target = target
        self._keeps_stale = keeps_stale
        self._digest = hashlib.sha256()
        self._lines = self._bytes = 0
        self._buffer: list[bytes] = []
        self._buffer_bytes = 0
        self._writer: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        with _user_errors(self.target):
            check_place(self.target)
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
        self._lines = self._bytes = 0
        with _user_errors(self.target):
            os.ftruncate(self._fd, 0)
            os.lseek(self._fd, 0, os.SEEK_SET)

    def finish(self, lines: int | None = None) -> WrittenFile:
        """Flush everything to the disk, still under the temporary name; return the facts of the file.

        `lines` are those in it; None for as many as were added.
        """
        self._wait()
        self._write(self._take())
        with _user_errors(self.target):
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
        self._digest.update(chunk)
        self._bytes += len(chunk)
        rest = memoryview(chunk)
        with _user_errors(self.target):
            while rest:
                rest = rest[os.write(self._fd, rest) :]

    def publish(self) -> None:
        """Rename the finished draft over its target."""
        with _user_errors(self.target):
            self._part.replace(self.target)

    def remove_stale(self) -> None:
        """Remove the stale drafts of the target that were kept until it was published."""
        if self._keeps_stale:
            with _user_errors(self.target):
                _remove_stale(self.target)


def publish(drafts: Sequence[DraftFile]) -> None:
    """Publish finished drafts of one folder in this order, and flush the folder to the disk."""
    for draft in drafts:
        draft.publish()
    with _user_errors(drafts[0].target):
        folder = os.open(drafts[0].target.absolute().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    for draft in drafts:
        draft.remove_stale()


def write_whole(target: Path, text: str) -> None:
    """Write one small text file whole or not at all. Raises UserError."""
    with DraftFile(target) as draft:
        draft.add(text.encode("utf-8", "backslashreplace"))
        draft.finish()
        publish([draft])


def _open_part(target: Path) -> tuple[Path, int]:
    """Create a draft and lock it; try again where `_remove_stale` removed it before it was locked."""
    while True:
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_SUFFIX}")
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with suppress(OSError):  # some network file systems have no locks; there no draft is removed either
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_nlink:
            return part, fd
        os.close(fd)


def drafts_of(target: Path) -> list[Path]:
    """Return the drafts of a file: of processes that write it now, and of those that died before the end."""
    try:
        beside = list(target.absolute().parent.iterdir())
    except OSError:
        return []
    return [part for part in beside if part.name.startswith(f".{target.name}.") and part.suffix == _SUFFIX]


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
def _user_errors(target: Path) -> Iterator[None]:
    """Raise an OSError of the block as a UserError with a sentence for the user."""
    try:
        yield
    except OSError as error:
        fix = "choose another place with -o"
        if error.errno in _FULL:
            fix = "make room on that disk and write the files again; every answer is kept in the database"
        raise UserError(f"{target} cannot be written: {_lowered(error.strerror)}", fix=fix) from error


def _lowered(words: str | None) -> str:
    return words[:1].lower() + words[1:] if words else "the system gave no reason"
