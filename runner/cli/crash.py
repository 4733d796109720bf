"""The last door of a command: a database that fails midway is told in words; anything else is a bug."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from runner import settings as settings_of
from runner.cli.text import note
from runner.embedded import bug_report
from runner.rules.errors import UserError


def of_the_database(error: Exception) -> UserError | None:
    """Return what to say where it is the database that failed; None where it is anything else."""
    if "sqlalchemy" not in sys.modules:
        return None
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
