"""Reads numbered lines from bytes: gzip, BOM, line ends, the line cap. It reads no JSON.

Memory stays flat: there are one chunk and at most one line in memory, whatever the input is.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from codecs import BOM_UTF8
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from runner.rules.diagnostics import Diagnostic
from runner.rules.other_files.binary_files import HEAD_BYTES, binary_file
from runner.tables.large_blocks import LARGE_BYTES, return_large_blocks
from runner.tables.stored_file import GZIP_ERRORS, GZIP_MAGIC

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from _typeshed import WriteableBuffer

LINE_BYTES_MAX: Final = 64 * 1024 * 1024
_CHUNK_BYTES: Final = 1024 * 1024
# Codes that end the reading: what follows is missing or no text.
OTHER_FILE: Final = frozenset({"utf16", "utf32", "archive", "compressed-file", "binary-file"})
WHOLE_FILE: Final = OTHER_FILE | {"bad-gzip", "empty-file"}


class Line(NamedTuple):
    """A line that is not blank: its physical number, from 1, and its bytes without the line end."""

    number: int
    raw: bytes


class LineReader:
    """The lines of one input, read once: iterate over it, then read the digest.

    Yields a `Line` for each line that is not blank, and a diagnostic where bytes are not one:
    line-too-long (as soon as the cap is passed; the rest of the line is skipped), or one of WHOLE_FILE. gzip
    is detected by its first bytes, whatever the name. Raises OSError where the source cannot be opened or
    read. A source that is a file object is left open. From the first item on `head` is the beginning of the
    content, and `is_gzip` says whether the source is compressed.
    """

    def __init__(self, source: Path | BinaryIO, *, line_bytes_max: int = LINE_BYTES_MAX) -> None:
        """Open nothing yet; `line_bytes_max` is the line cap."""
        self._source = source
        self._line_bytes_max = line_bytes_max
        self._stored: _Stored | None = None
        self._line_count = 0
        self.head = b""
        self.is_gzip = False

    @property
    def sha256(self) -> str:
        """Return the hex digest of the bytes read so far, before gunzip; of all after the last line."""
        return (self._stored.digest if self._stored else hashlib.sha256()).hexdigest()

    @property
    def byte_count(self) -> int:
        """Return the number of bytes read so far, before gunzip: the progress through the file."""
        return self._stored.byte_count if self._stored else 0

    @property
    def line_count(self) -> int:
        """Return the number of physical lines yielded so far, blank ones included."""
        return self._line_count

    def __iter__(self) -> Generator[Line | Diagnostic]:
        """Yield the lines of the input from its current position to its end."""
        if isinstance(self._source, Path):
            with self._source.open("rb", buffering=0) as file:
                yield from self._read(file)
        else:
            yield from self._read(self._source)

    def _read(self, file: BinaryIO | io.FileIO) -> Iterator[Line | Diagnostic]:
        self._stored = _Stored(file)
        is_empty = True
        try:
            for item in self._numbered(io.BufferedReader(self._stored, _CHUNK_BYTES)):
                is_empty = False
                yield item
                del item  # here and below: a line may be large, and the next one is built now
        except GZIP_ERRORS as error:
            is_empty = False
            yield _bad_gzip(self._line_count + 1, error)
        self._stored.drain()
        if is_empty:
            yield _refused(1, "empty-file", "the file holds no job", "write one JSON object a line")

    def _numbered(self, stored: io.BufferedReader) -> Iterator[Line | Diagnostic]:
        self._line_count = 0
        self.is_gzip = stored.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC)
        beginning, chunks = _beginning(_chunks(stored, is_gzip=self.is_gzip))
        self.head = beginning[:HEAD_BYTES]
        if other := binary_file(self.head):
            yield other.diagnostic()
            return
        for raw in _physical(chain([beginning], chunks), self._line_bytes_max):
            self._line_count = number = self._line_count + 1
            if raw is None:
                yield _too_long(number, self._line_bytes_max)
                continue
            if number == 1:
                raw = raw.removeprefix(BOM_UTF8)  # noqa: PLW2901 - it is no part of the line
            if raw and not raw.isspace():
                yield Line(number, raw[:-1] if raw.endswith(b"\r") else raw)
            del raw


class _Stored(io.RawIOBase):
    """The input's bytes before gunzip; it hashes and counts what is read."""

    def __init__(self, file: BinaryIO | io.FileIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.byte_count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        chunk = self._file.read(len(view)) or b""
        view[: len(chunk)] = chunk
        self.digest.update(chunk)
        self.byte_count += len(chunk)
        return len(chunk)

    def drain(self) -> None:
        """Read to the end, so that the digest covers the whole input also after an error."""
        while self.read(_CHUNK_BYTES):
            pass


def _chunks(stored: io.BufferedReader, *, is_gzip: bool) -> Iterator[bytes]:
    source = gzip.GzipFile(fileobj=stored) if is_gzip else stored
    while chunk := source.read1(_CHUNK_BYTES):
        yield chunk


def _beginning(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first HEAD_BYTES or more of chunks, fewer at their end, and the chunks after them.

    An error is raised by the chunks after them, so that the lines before it are read.
    """
    read: list[bytes] = []
    byte_count = 0
    try:
        while byte_count < HEAD_BYTES and (chunk := next(chunks, b"")):
            read.append(chunk)
            byte_count += len(chunk)
    except GZIP_ERRORS as error:
        return b"".join(read), _after(chunks, error)
    return b"".join(read), chunks


def _after(chunks: Iterator[bytes], error: Exception) -> Iterator[bytes]:
    yield from chunks  # none: the error has ended them
    raise error


def _physical(chunks: Iterator[bytes], bytes_max: int) -> Iterator[bytes | None]:
    """Yield the lines of chunks; None for a line past the cap, once, as soon as it passes it."""
    open_line = _OpenLine(bytes_max)
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        if ended:
            yield from open_line.end(ended[0])
            for raw in ended[1:]:
                yield raw if len(raw) <= bytes_max else None
        if open_line.add(rest):
            yield None
    if open_line.byte_count:
        yield from open_line.end(b"")


class _OpenLine:
    """The line that has not ended yet, in pieces; none are kept once it is past the cap."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._pieces: list[bytes] = []
        self.byte_count = 0

    def add(self, piece: bytes) -> bool:
        """Add a piece; return whether the line passes the cap by it."""
        was_too_long = self.byte_count > self._bytes_max
        self._pieces.append(piece)
        self.byte_count += len(piece)
        if self.byte_count > LARGE_BYTES:
            return_large_blocks()
        if self.byte_count <= self._bytes_max:
            return False
        self._pieces.clear()
        return not was_too_long

    def end(self, last: bytes) -> Iterator[bytes | None]:
        """Yield the whole line, None if the last piece takes it past the cap; nothing if it was before."""
        was_too_long = self.byte_count > self._bytes_max
        fits = self.byte_count + len(last) <= self._bytes_max
        line = b"".join((*self._pieces, last)) if fits else None
        self._pieces.clear()  # before the caller works on the line: it may be large
        self.byte_count = 0
        if not was_too_long:
            yield line


def _too_long(number: int, bytes_max: int) -> Diagnostic:
    size = f"{bytes_max >> 20} MiB" if bytes_max >> 20 else f"{bytes_max:,} bytes"
    reason = f"the line is longer than {size}"
    return _refused(number, "line-too-long", reason, "give large images by URL, or split the job")


def _bad_gzip(number: int, error: Exception) -> Diagnostic:
    if isinstance(error, EOFError):
        reason = "the gzip file is cut short; what follows here is missing"
    else:
        reason = f"the gzip file is damaged from here on ({error})"
    return _refused(number, "bad-gzip", reason, "copy or make the file again; gzip -t FILE tests it")


def _refused(line: int, code: str, reason: str, fix: str) -> Diagnostic:
    return Diagnostic(line=line, column=None, code=code, reason=reason, fix=fix, severity="refused")
