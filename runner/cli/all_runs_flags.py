"""The flags of commands that take a run or, with --all, all runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from runner.cli import flags
from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class AllRunsFlags:
    """How a command for all runs asks and prints."""

    yes: bool
    dry_run: bool
    as_json: bool
    quiet: bool


def all_runs_flags(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what adds an argument RUN that may be missing, --all, --dry-run and --yes to a command.

    `what`: which runs --all means.
    """

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        is_all = click.option("--all", "is_all", is_flag=True, help=what)
        for option in (_YES, _DRY_RUN, is_all, flags.maybe_run_argument):
            command = option(command)
        return command

    return add


def is_for_all(run: str | None, *, is_all: bool, only_all: bool, others: bool = False) -> bool:
    """Return whether --all was given. Raises UsageError unless that or a run was, and for flags beside it.

    `only_all`: a flag was given that only --all has; `others`: one was that --all excludes.
    """
    if is_all == (run is not None):
        raise UsageError(
            "a run and --all exclude each other" if is_all else "name a run, or all of them",
            fix="runner list shows the runs; --all means every one that fits",
        )
    if only_all and not is_all:
        raise UsageError("--dry-run and --yes are for --all", fix="leave them out, or add --all")
    if others and is_all:
        raise UsageError(
            "with --all runs continue in the background, with the options that they have",
            fix="leave out --timeout and options; runner set RUN changes those of one run",
        )
    return is_all


_YES: Final = click.option("--yes", is_flag=True, help="With --all: do not ask for confirmation.")
_DRY_RUN: Final = click.option("--dry-run", is_flag=True, help="With --all: only show which runs are meant.")
