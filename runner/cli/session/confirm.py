"""Ask before something is removed, abandoned or paid for."""

from __future__ import annotations

import sys
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from runner.cli.printing import print_escaped, print_json
from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


def confirm(
    what: str,
    *,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    details: Mapping[str, object] = MappingProxyType({}),
) -> bool:
    """Return whether to do `what`; with `dry_run` print it, as JSON with `details`, and return False.

    Asks on a terminal; elsewhere raises UsageError unless --yes was given.
    """
    if dry_run:
        if as_json:
            print_json({"schema": 1, "would": what, **details})
        else:
            print_escaped(f"would {what}")
        return False
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(f"nobody is there to ask: this would {what}", fix="add --yes, or --dry-run to look")
    return click.confirm(f"{what}?", err=True)
