"""A bug, told: two lines on stderr, and a report without secrets in the state folder."""

from __future__ import annotations

import os
import platform
import sys
import time
import traceback
from pathlib import Path

from runner import __version__
from runner import settings as settings_of
from runner.cli.text import note
from runner.output.files import write_whole
from runner.rules.errors import UserError
from runner.rules.redact import one_line, redact


def tell(error: Exception) -> None:
    """Tell of an unexpected error and leave a report, where one can be left."""
    secrets, folder = _secrets(), _folder()
    first = one_line(redact(f"{type(error).__name__}: {error}", secrets), 300)
    note(f"error: runner has met a bug of its own: {first}")
    path = folder / f"bug-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.txt"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, redact(_report(error), secrets))
    except (OSError, UserError):
        note("fix: no report could be written; run the same command again, everything done so far is saved")
    else:
        note(f"fix: everything done so far is saved; the report for its makers is {path}")


def _report(error: Exception) -> str:
    return "\n".join(
        [
            f"runner {__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"arguments: {sys.argv[1:]!r}",
            "",
            *traceback.format_exception(error),
        ]
    )


def _secrets() -> list[str]:
    """Gather what must not be told, also where the settings themselves are what is broken."""
    names = ("XAI_API_KEY", "RUNNER_DATABASE_URL", "RUNNER_REDIS_URL")
    secrets = [os.environ[name] for name in names if os.environ.get(name)]
    try:
        key = settings_of.load(os.environ, Path.cwd()).api_key
    except (UserError, OSError):
        return secrets
    return [*secrets, key.reveal()] if key else secrets


def _folder() -> Path:
    try:
        return settings_of.load(os.environ, Path.cwd()).home / "logs"
    except (UserError, OSError):
        return Path.home() / ".local" / "state" / "runner" / "logs"
