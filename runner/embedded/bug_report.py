"""Bug reports: traceback and versions, without secrets, in the `logs` folder of the state folder."""

from __future__ import annotations

import os
import platform
import sys
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
    """Write the report; return the error as one line, and the report's path or None if writing failed."""
    secrets, folder = _secrets(), _folder()
    message = one_line(redact(f"{type(error).__name__}: {error}", secrets), _MESSAGE_LENGTH)
    path = folder / f"bug-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.txt"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, redact("\n".join(_lines(error)), secrets))
    except (OSError, UserError):
        return message, None
    return message, path


def of_process(logs: Path, pid: int) -> Path | None:
    """Return the path of the latest report that a process wrote, else None."""
    return max(logs.glob(f"bug-*-{pid}.txt"), default=None)


def _lines(error: BaseException) -> Iterator[str]:
    yield f"runner {__version__}, Python {platform.python_version()}, {platform.platform()}"
    program = Path(sys.argv[0]).name if sys.argv else ""
    yield f"process: {program}, arguments: {sys.argv[1:]!r}"
    yield ""
    yield from traceback.format_exception(error)


def _secrets() -> tuple[str, ...]:
    try:
        cwd = Path.cwd()
    except OSError:
        cwd = Path("/")
    return settings_of.known_secrets(os.environ, cwd)


def _folder() -> Path:
    try:
        return settings_of.load(os.environ, Path.cwd()).home / "logs"
    except (UserError, OSError):
        return Path.home() / ".local" / "state" / "runner" / "logs"
