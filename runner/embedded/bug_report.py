"""Bug reports: traceback and versions, without secrets."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from runner import __version__
from runner import settings as settings_of
from runner.rules.errors import UserError
from runner.rules.redact import one_line, redact
from runner.tables.draft_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

_MESSAGE_LENGTH = 300


def write(error: BaseException) -> tuple[str, Path | None]:
    """Write the report; return the error as one line, and the report's path or None if writing failed.

    It lies in the logs of the state folder; where that is not known or takes no file, in a temporary folder.
    Raises nothing: what reports a bug must not fail for another one.
    """
    try:
        secrets = settings_of.known_secrets()
        message = one_line(redact(f"{type(error).__name__}: {error}", secrets), _MESSAGE_LENGTH)
        text = redact("\n".join(_lines(error)), secrets)
    except Exception:  # noqa: BLE001 - the text of an error is made by code that may have bugs too
        return type(error).__name__, None
    return message, next((path for make in (_in_logs, _in_temporary_folder) if (path := make(text))), None)


def of_process(logs: Path, pid: int) -> Path | None:
    """Return the path of the latest report that a process wrote, else None."""
    return max(logs.glob(f"bug-*-{pid}.txt"), default=None)


def _lines(error: BaseException) -> Iterator[str]:
    yield f"runner {__version__}, Python {platform.python_version()}, {platform.platform()}"
    program = Path(sys.argv[0]).name if sys.argv else ""
    yield f"process: {program}, arguments: {sys.argv[1:]!r}"
    yield ""
    yield from traceback.format_exception(error)


def _in_logs(text: str) -> Path | None:
    """Write the report into the state folder; return its path, None where that cannot be done."""
    try:
        home = settings_of.known_home()
        if home is None:
            return None
        folder = home / "logs"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / _file_name()
        write_whole(path, text)
    except (OSError, UserError):
        return None
    return path


def _in_temporary_folder(text: str) -> Path | None:
    """Write the report into a new folder that only this user can read; return its path, None as above."""
    try:
        path = Path(tempfile.mkdtemp(prefix="runner-")) / _file_name()
        write_whole(path, text)
    except (OSError, UserError):
        return None
    return path


def _file_name() -> str:
    return f"bug-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.txt"
