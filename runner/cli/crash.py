"""Bugs: two lines on stderr and a report."""

from __future__ import annotations

from runner.cli.printing import print_note
from runner.embedded import bug_report


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
