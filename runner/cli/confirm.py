"""Before something is given up or paid for: say how much it is, and ask."""

from __future__ import annotations

import sys

import click

from runner.cli import json, text
from runner.rules.errors import UsageError


def confirm(what: str, *, yes: bool, dry_run: bool, as_json: bool) -> bool:
    """Tell what would be done and return whether to do it.

    Asks on a terminal; elsewhere it raises UsageError where nobody said --yes.
    """
    if dry_run:
        if as_json:
            json.emit({"schema": 1, "would": what})
        else:
            text.out(f"would {what}")
        return False
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(f"nobody is there to ask: this would {what}", fix="add --yes, or --dry-run to look")
    return click.confirm(f"{what}?", err=True)
