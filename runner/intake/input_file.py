"""The bytes of an input: stdin is kept in a file, and a file has a digest."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from runner.rules.errors import UsageError
from runner.rules.os_text import reason_of

STDIN: Final = Path("-")  # as an input


def save_stdin(stream: BinaryIO, folder: Path, ending: str = ".jsonl") -> Path:
    """Save stdin in a file of `folder` named by its sha256, so that it can be read twice; return the path.

    Raises UsageError where stdin cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
    digest = hashlib.sha256()
    try:
        with os.fdopen(handle, "wb") as file:
            while chunk := _read(stream):
                digest.update(chunk)
                file.write(chunk)
        saved = folder / f"{digest.hexdigest()}{ending}"
        Path(name).replace(saved)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return saved


def _read(stream: BinaryIO) -> bytes:
    try:
        return stream.read(1 << 20)
    except OSError as error:
        what = f"stdin cannot be read: {reason_of(error)}"
        raise UsageError(what, fix="pipe the input in, or name its file") from None


class FileKind(NamedTuple):
    """What an input file is called in errors, and what to do instead of naming a pipe."""

    name: str
    description: str
    cure: str


JOB_FILE: Final = FileKind(
    "job file", "a file with jobs", "name a plain file, or pipe it in: … | runner run -"
)
TABLE: Final = FileKind("table", "a table", "name a plain file, or pipe it in: … | runner label -")


def check_is_file(path: Path, kind: FileKind = JOB_FILE) -> None:
    """Raise UsageError for a folder, a pipe or a device: those can be read once only, or have no end."""
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is not {kind.description}", fix=kind.cure)


def digest(path: Path, kind: FileKind) -> tuple[str, int]:
    """Return the sha256 of a file's bytes and their number. Raises UsageError."""
    check_is_file(path, kind)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
    except OSError as error:
        raise UsageError(
            f"the {kind.name} cannot be read: {path}: {error.strerror}", fix="check the path"
        ) from error
