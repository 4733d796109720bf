"""Types of values on the command line, the flags that several commands share, and flags as values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from runner.rules import models
from runner.rules.budget import parse_usd
from runner.rules.chat_completion import Flaw

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.shell_completion import CompletionItem

_UNITS_S: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFlags:
    """The flags of `start` and `resume`, without those that change the run. `timeout`: seconds."""

    detach: bool
    timeout: float | None
    on_end: str | None
    as_json: bool
    quiet: bool
    verbose: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFlags:
    """The flags of `run`. `budget`: ticks; 0 is `none`. `rpm`, `tpm`: 0 is `none`. `timeout`: seconds."""

    name: str | None
    new: bool
    model: str
    skip_bad: bool
    strict: bool
    output: Path | None
    force: bool
    limit: int | None
    budget: int | None
    rpm: int | None
    tpm: int | None
    max_attempts: int
    on_ambiguous: str
    max_waiting: int
    max_failures: int | None
    fail_on: tuple[str, ...]
    timeout: float | None
    on_end: str | None
    yes: bool
    as_json: bool
    quiet: bool
    verbose: bool


class Duration(click.ParamType[float]):
    """`90`, `90s`, `15m`, `1h30m`, `2d`: seconds as a float."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds, more than 0."""
        if isinstance(value, float):
            return value
        seconds = _seconds(str(value).strip().lower())
        if not seconds:
            self.fail(f"{value!r} is no span of time like 90s, 15m or 1h30m", param, ctx)
        return seconds


def _seconds(word: str) -> float | None:
    if re.fullmatch(r"\d+(\.\d+)?", word):
        return float(word)
    parts = _PART.findall(word)
    if "".join(number + unit for number, unit in parts) != word:
        return None
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


class Rate(click.ParamType[int]):
    """A whole number from 1 up, or `none` for no limit, which is 0 inside."""

    name = "rate"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "N|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or 0 for `none`."""
        if isinstance(value, int):
            return value
        if value == "none":
            return 0
        if not (value.isascii() and value.isdigit() and 0 < int(value) < 10**12):
            self.fail(f"{value!r} is neither a number from 1 up nor none", param, ctx)
        return int(value)


class Budget(click.ParamType[int]):
    """US dollars like `20` or `0.75`, or `none` for no budget, which is 0 inside: ticks."""

    name = "budget"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "USD|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return ticks."""
        if isinstance(value, int):
            return value
        if value == "none":
            return 0
        ticks = parse_usd(value)
        if ticks is None:
            self.fail(f"{value!r} is neither an amount in US dollars, like 20 or 0.75, nor none", param, ctx)
        return ticks


class Flaws(click.ParamType[tuple[str, ...]]):
    """Words of `length`, `refusal` and `empty`, with commas between them."""

    name = "flaws"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "FLAW,…"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the words in their order, each once."""
        words = tuple(dict.fromkeys(value.split(","))) if isinstance(value, str) else tuple(value)
        for word in words:
            if word not in set(Flaw):
                self.fail(f"{word!r} is none of {', '.join(Flaw)}", param, ctx)
        return words


def _complete_runs(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from runner.cli.session.run_names import complete_runs  # only a shell that completes needs it

    return complete_runs(incomplete)


run_argument: Final = click.argument("run", shell_complete=_complete_runs)
maybe_run_argument: Final = click.argument("run", required=False, shell_complete=_complete_runs)
budget_flag: Final = click.option(
    "--budget",
    type=Budget(),
    help="Stop sending before the run costs more than this; possible costs count. Kept with the run. Exit 6.",
)
on_end_flag: Final = click.option(
    "--on-end",
    metavar="CMD",
    help="Shell command to call when the run has ended or is paused; it gets RUN_STATE, RUN_EXIT_CODE and"
    " others in its environment.",
)
yes_flag: Final = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
dry_run_flag: Final = click.option("--dry-run", is_flag=True, help="Only show what would be done.")
json_flag: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
quiet_flag: Final = click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
verbose_flag: Final = click.option(
    "-v", "--verbose", is_flag=True, help="Also print what happens to the run."
)


def shaping_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument FILE and the flags that decide what is loaded and as which run."""
    for option in reversed(_SHAPING):
        command = option(command)
    return command


_SHAPING: Final = (
    click.argument("file", type=click.Path(path_type=Path, allow_dash=True, readable=False)),
    click.option("--name", help="Name of the run.  [default: that of the file]"),
    click.option("--new", is_flag=True, help="Start a fresh run, even if the file was run before."),
    click.option(
        "--model", default=models.DEFAULT, show_default=True, help="Model for lines that name none."
    ),
    click.option(
        "--skip-bad", is_flag=True, help="Load the good lines, write the bad ones to FILE.bad.jsonl."
    ),
    click.option("--strict", is_flag=True, help="Refuse the file for warnings as well."),
)
