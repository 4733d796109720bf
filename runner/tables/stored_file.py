"""Reads the bytes of a file, unpacks gzip, and hashes what is stored."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from typing import TYPE_CHECKING, Final, Self

from runner.rules.table_faults import TableFault

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import WriteableBuffer

GZIP_ERRORS: Final = (EOFError, gzip.BadGzipFile, zlib.error)
GZIP_MAGIC: Final = b"\x1f\x8b"
_CHUNK_BYTES: Final = 256 * 1024


class StoredFile:
    """The content of a file, from its beginning; gzip is known by its first bytes, whatever the name.

    Raises OSError where the file cannot be opened or read, one of GZIP_ERRORS where gzip is damaged.
    """

    def __init__(self, path: Path) -> None:
        """Open the file; close it with `with`."""
        self._file = path.open("rb", buffering=0)
        self._hashing = _Hashing(self._file)
        self._stored = io.BufferedReader(self._hashing, _CHUNK_BYTES)
        self.is_gzip = self._stored.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC)
        self._content = gzip.GzipFile(fileobj=self._stored) if self.is_gzip else self._stored

    def __enter__(self) -> Self:
        """Return the file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()

    @property
    def sha256(self) -> str:
        """Return the hex digest of the stored bytes read so far."""
        return self._hashing.digest.hexdigest()

    @property
    def byte_count(self) -> int:
        """Return the number of stored bytes read so far."""
        return self._hashing.byte_count

    def read(self, byte_count: int) -> bytes:
        """Return that many bytes of the content, fewer only at its end."""
        return self._content.read(byte_count)

    def drain(self) -> None:
        """Read to the end of what is stored, so that the digest covers all of it also after an error."""
        while self._stored.read(_CHUNK_BYTES):
            pass


class _Hashing(io.RawIOBase):
    """A raw file that hashes and counts what is read from it."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.byte_count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        count = self._file.readinto(view) or 0
        self.digest.update(view[:count])
        self.byte_count += count
        return count


def gzip_fault(error: Exception, line: int | None = None) -> TableFault:
    """Return the fault of a table whose gzip data is damaged; `line` is the first line that is missing."""
    if isinstance(error, EOFError):
        reason = "the gzip file is cut short; what follows here is missing"
    else:
        reason = f"the gzip file is damaged from here on ({error})"
    fix = "copy or make the file again; gzip -t FILE tests it"
    return TableFault(line=line, code="bad-gzip", reason=reason, fix=fix)
