"""Output files on disk: each appears whole or not at all. Knows nothing of runs.

A draft is written beside its target under a name of its own, flushed to the disk, and renamed over it.
A kernel lock on every open draft tells the drafts that a crash left behind from those being written.
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

from runner.rules.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future, ThreadPoolExecutor
    from types import TracebackType

_SUFFIX: Final = ".runner-part"
_BUFFER_BYTES: Final = 1024 * 1024
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The three files that a run writes."""

    results: Path
    errors: Path
    summary: Path

    def __iter__(self) -> Iterator[Path]:
        """Give them in the order in which they appear on disk."""
        return iter((self.results, self.errors, self.summary))


def paths(output: Path) -> Paths:
    """Name the files of `OUT.jsonl`: itself, OUT.errors.jsonl, OUT.summary.json.

    Raises UserError where `output` is a folder.
    """
    if not output.name or output.is_dir():
        inside = output / "results.jsonl"
        raise UserError(f"{output} is a folder, not a file", fix=f"name a file in it: -o {inside}")
    stem = output.name.removesuffix(".jsonl")
    return Paths(
        results=output,
        errors=output.with_name(f"{stem}.errors.jsonl"),
        summary=output.with_name(f"{stem}.summary.json"),
    )


def default_output(source: Path) -> Path:
    """Name the results of a job file in the current folder: `reviews.jsonl.gz`, `reviews.results.jsonl`."""
    return Path(source.name.removesuffix(".gz").removesuffix(".jsonl") + ".results.jsonl")


def check_place(target: Path) -> None:
    """Raise UserError where a file could not be put: no folder, no right to write, a link, no plain file."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What a written file holds."""

    name: str
    sha256: str
    lines: int
    bytes: int


class Draft:
    """A file being written; `publish` puts it in its place, leaving the `with` block without it removes it.

    A large one is digested and written by a thread of its own while its next lines are made.

    Raises UserError when the disk is full or refuses; the old file then stays as it was.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self._digest = hashlib.sha256()
        self._lines = self._bytes = 0
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._writer: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        with _told(self.target):
            check_place(self.target)
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
        """Append one line, with its line feed."""
        self._held.append(line)
        self._held_bytes += len(line)
        if self._held_bytes >= _BUFFER_BYTES:
            self._hand_over()

    def finish(self) -> FileFacts:
        """Bring everything to the disk, still under the draft's own name; return what is there."""
        self._wait()
        self._write(self._take())
        with _told(self.target):
            os.fsync(self._fd)
        return FileFacts(
            name=self.target.name, sha256=self._digest.hexdigest(), lines=self._lines, bytes=self._bytes
        )

    def _hand_over(self) -> None:
        """Have what is held written; raise what was met with what was handed over before."""
        self._wait()
        if self._writer is None:
            from concurrent.futures import ThreadPoolExecutor  # most files are small

            self._writer = ThreadPoolExecutor(1, "draft")
        self._writing = self._writer.submit(self._write, self._take())

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _take(self) -> bytes:
        taken = b"".join(self._held)
        self._lines += len(self._held)
        self._held.clear()
        self._held_bytes = 0
        return taken

    def _write(self, taken: bytes) -> None:
        self._digest.update(taken)
        self._bytes += len(taken)
        left = memoryview(taken)
        with _told(self.target):
            while left:
                left = left[os.write(self._fd, left) :]

    def publish(self) -> None:
        """Put the finished draft in its place, at once and whole."""
        with _told(self.target):
            self._part.replace(self.target)


def publish(drafts: Sequence[Draft]) -> None:
    """Put finished drafts of one folder in their places, in this order, and bring that to the disk."""
    for draft in drafts:
        draft.publish()
    with _told(drafts[0].target):
        folder = os.open(drafts[0].target.absolute().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_whole(target: Path, text: str) -> None:
    """Write one small file whole or not at all. Raises UserError."""
    with Draft(target) as draft:
        draft.add(text.encode("utf-8", "backslashreplace"))
        draft.finish()
        publish([draft])


def _open_part(target: Path) -> tuple[Path, int]:
    """Open a new draft and lock it; one that a cleaner took before the lock was ours is opened again."""
    while True:
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_SUFFIX}")
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with suppress(OSError):  # some network file systems have no locks; then nothing is cleaned either
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_nlink:
            return part, fd
        os.close(fd)


def _remove_stale(target: Path) -> None:
    """Remove drafts of this target that nobody writes any more."""
    for part in target.absolute().parent.iterdir():
        if not (part.name.startswith(f".{target.name}.") and part.name.endswith(_SUFFIX)):
            continue
        with suppress(OSError):
            fd = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()
            finally:
                os.close(fd)


@contextmanager
def _told(target: Path) -> Iterator[None]:
    """Tell what the system says of a file in a sentence."""
    try:
        yield
    except OSError as error:
        fix = "choose another place with -o"
        if error.errno in _FULL:
            fix = "make room on that disk and write the files again; every answer is kept in the database"
        raise UserError(f"{target} cannot be written: {_lowered(error.strerror)}", fix=fix) from error


def _lowered(words: str | None) -> str:
    return words[:1].lower() + words[1:] if words else "the system gave no reason"
