"""Unexpected errors: known failures of files and the database as UserError, anything else as a bug report."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from runner import settings as settings_of
from runner.cli.printing import print_note
from runner.embedded import bug_report
from runner.rules.errors import UserError
from runner.rules.redact import one_line

_PATH_LENGTH = 200
_USER_ERRNOS = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG),
    *(errno.ELOOP, errno.ENOTDIR, errno.EISDIR),
)


def known(error: Exception) -> UserError | None:
    """Return the error as a UserError if a file or the database failed; None for a bug."""
    if isinstance(error, OSError):
        return _of_a_file(error)
    return _of_the_database(error) if "sqlalchemy" in sys.modules else None


def _of_a_file(error: OSError) -> UserError | None:
    if error.filename is None or error.errno not in _USER_ERRNOS:
        return None
    path, why = one_line(os.fsdecode(error.filename), _PATH_LENGTH), os.strerror(error.errno).lower()
    return UserError(f"{path} cannot be used: {why}", fix="check the path, and the disk it is on")


def _of_the_database(error: Exception) -> UserError | None:
    from runner.db import driver_errors
    from runner.db.session import parse_url

    if not isinstance(error, driver_errors.DRIVER_ERRORS):
        return None
    try:
        url = parse_url(settings_of.load(os.environ, Path.cwd()).effective_database_url)
    except (UserError, OSError):
        return None
    return driver_errors.as_user_error(error, url)


def report(error: Exception) -> None:
    """Print two lines about a bug on stderr; write a report file if possible."""
    what, path = bug_report.write(error)
    print_note(f"error: runner has met a bug of its own: {what}")
    if path is None:
        print_note(
            "fix: no report could be written; run the same command again, everything done so far is saved"
        )
    else:
        print_note(f"fix: everything done so far is saved; the report for its makers is {path}")
