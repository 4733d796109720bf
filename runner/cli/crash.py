"""The last door of a command: a file or database that fails is told in words; anything else is a bug."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from runner import settings as settings_of
from runner.cli.text import note
from runner.embedded import bug_report
from runner.rules.errors import UserError
from runner.rules.redact import one_line

_PATH_LENGTH = 200
_OF_THE_USER = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG),
    *(errno.ELOOP, errno.ENOTDIR, errno.EISDIR),
)


def known(error: Exception) -> UserError | None:
    """Return what to say where it is a file or the database that failed; None for a bug."""
    if isinstance(error, OSError):
        return _of_a_file(error)
    return _of_the_database(error) if "sqlalchemy" in sys.modules else None


def _of_a_file(error: OSError) -> UserError | None:
    if error.filename is None or error.errno not in _OF_THE_USER:
        return None
    path, why = one_line(os.fsdecode(error.filename), _PATH_LENGTH), os.strerror(error.errno).lower()
    return UserError(f"{path} cannot be used: {why}", fix="check the path, and the disk it is on")


def _of_the_database(error: Exception) -> UserError | None:
    from sqlalchemy.engine import make_url

    from runner.db import trouble

    if not isinstance(error, trouble.TROUBLES):
        return None
    try:
        url = make_url(settings_of.load(os.environ, Path.cwd()).effective_database_url)
    except (UserError, OSError):
        return None
    return trouble.told(error, url)


def tell(error: Exception) -> None:
    """Tell of a bug in two lines on stderr, and leave a report, where one can be left."""
    told, report = bug_report.write(error)
    note(f"error: runner has met a bug of its own: {told}")
    if report is None:
        note("fix: no report could be written; run the same command again, everything done so far is saved")
    else:
        note(f"fix: everything done so far is saved; the report for its makers is {report}")
