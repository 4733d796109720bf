"""Ask before something is removed, abandoned or paid for."""

from __future__ import annotations

import sys
from typing import Annotated

import click

from runner.cli.printing import print_escaped, print_json
from runner.rules.errors import UsageError
from runner.rules.json_object import SCHEMA, JsonObject, Schema, about


class PlannedAction(JsonObject, frozen=True, kw_only=True):
    """What --dry-run found."""

    schema: Schema
    would: Annotated[str, about("what would be done")]


def confirm(
    what: str,
    *,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    planned: JsonObject | None = None,
) -> bool:
    """Return whether to do `what`; with `dry_run` print it, as JSON with all of `planned`, and return False.

    Asks on a terminal; elsewhere raises UsageError unless --yes was given.
    """
    if dry_run:
        if as_json:
            print_json(planned or PlannedAction(schema=SCHEMA, would=what))
        else:
            print_escaped(f"would {what}")
        return False
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(f"nobody is there to ask: this would {what}", fix="add --yes, or --dry-run to look")
    return click.confirm(f"{what}?", err=True)
