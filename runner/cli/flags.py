"""Types of values on the command line, the flags that several commands share, and flags as values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from runner.cli.path_types import InputPath
from runner.rules import models
from runner.rules.costs.budget import parse_usd
from runner.rules.errors import UsageError
from runner.rules.numbers import NumberError, parse_count, parse_span_s
from runner.rules.occasion import TODAY, is_occasion, is_today
from runner.rules.os_text import as_text
from runner.rules.redact import plain
from runner.rules.replies.chat_completion import Flaw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from click.shell_completion import CompletionItem


_OPTIONS: Final = {  # flags, and the options of a run that they set
    "rpm": "rpm",
    "tpm": "tpm",
    "budget": "budget_ticks",
    "limit": "limit",
    "max_waiting": "max_waiting",
    "max_attempts": "max_attempts",
    "max_failures": "max_failures",
    "fail_on": "fail_on",
    "on_ambiguous": "on_ambiguous",
    "on_end": "on_end",
}
_FALSE_IS_NONE: Final = frozenset({"budget_ticks", "limit", "max_failures", "on_end"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFlags:
    """The flags of `start` and `resume`, without those that change the run. `timeout`: seconds."""

    detach: bool
    timeout: float | None
    as_json: bool
    quiet: bool
    verbose: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFlags:
    """The flags of `run`. `options`: those of the run that are named (`take_options`). `timeout`: seconds."""

    name: str | None
    new: bool
    occasion: str | None
    model: str
    model_for_all: str | None
    skip_bad: bool
    strict: bool
    output: Path | None
    force: bool
    options: Mapping[str, Any]
    timeout: float | None
    yes: bool
    as_json: bool
    quiet: bool
    verbose: bool
    trust_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """The flags that choose jobs of a run; a job is chosen if it fits all that are given."""

    code: str | None
    ids: tuple[str, ...]
    model: str | None
    flaw: str | None

    @property
    def is_given(self) -> bool:
        """Return whether one of them was given."""
        return bool(self.ids) or any(one is not None for one in (self.code, self.model, self.flaw))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryFlags(JobFilter):
    """The flags of `retry` that choose jobs."""

    failed: bool
    held: bool
    lost: bool
    cancelled: bool
    status: str | None


class Text(click.ParamType[str]):
    """A name or an id. Bytes that are no text are read as the escapes that `list` and `show` print."""

    name = "text"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002 - click's signature
        ctx: click.Context | None,  # noqa: ARG002
    ) -> str:
        """Return the text."""
        return as_text(str(value))


class Count(click.IntRange):
    """A whole number, such as `1000` or `1,000`, within a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        return int(super().convert(_parsed(self, parse_count, value, param, ctx), param, ctx))


class Duration(click.ParamType[float]):
    """`90s`, `15m`, `1h30m`, `2d`: seconds as a float. A number alone is seconds, unless `needs_unit`."""

    name = "duration"

    def __init__(self, *, needs_unit: bool = False) -> None:
        self._parse = partial(parse_span_s, needs_unit=needs_unit)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds, more than 0."""
        return float(_parsed(self, self._parse, value, param, ctx))


class NumberOrNone(click.ParamType[int]):
    """A whole number from 1 up, or `none` for no limit, which is 0 inside."""

    name = "number"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "N|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or 0 for `none`."""
        if value == "none":
            return 0
        number = int(_parsed(self, parse_count, value, param, ctx, "none"))
        if isinstance(value, str) and not number:
            self.fail(f"{value!r} is neither a number from 1 up nor none", param, ctx)
        return number


class RateOrDefault(click.ParamType[int | None]):
    """A limit of a minute as NumberOrNone reads it, or `default` for one that is not set, which is None."""

    name = "rate"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "N|none|default"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Return the number, 0 for `none`, None for `default`."""
        return None if value == "default" else NumberOrNone().convert(value, param, ctx)


class Budget(click.ParamType[int]):
    """US dollars like `20` or `0.75`, or `none` for no budget, which is 0 inside: ticks."""

    name = "budget"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "USD|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return ticks."""
        return 0 if value == "none" else int(_parsed(self, parse_usd, value, param, ctx, "none"))


def _parsed(
    kind: click.ParamType[Any],
    parse: Callable[[str], float],
    value: Any,
    param: click.Parameter | None,
    ctx: click.Context | None,
    other: str = "",
) -> Any:
    """Return what a text means; a value that is none is a default of ours. `other`: a word beside numbers."""
    if not isinstance(value, str):
        return value
    try:
        return parse(value)
    except NumberError as error:
        kind.fail(f"{error}{f', or {other}' if other else ''}", param, ctx)


class Words(click.ParamType[tuple[str, ...]]):
    """Words with commas between them."""

    name = "words"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "WORD,…"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002 - click's signature
        ctx: click.Context | None,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """Return the words in their order, each once."""
        words = value.split(",") if isinstance(value, str) else value
        return tuple(dict.fromkeys(word.strip() for word in words))


class Columns(Words):
    """Words with commas between them, or `none`, which is no word."""

    name = "columns"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the words in their order, each once."""
        return () if value == "none" else super().convert(value, param, ctx)


class Flaws(click.ParamType[tuple[str, ...]]):
    """Words of `length`, `refusal` and `empty`, with commas between them, or `none`, which is no word."""

    name = "flaws"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "FLAW,…|none"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the words in their order, each once."""
        if value == "none":
            return ()
        words = tuple(dict.fromkeys(value.split(","))) if isinstance(value, str) else tuple(value)
        for word in words:
            if word not in set(Flaw):
                self.fail(f"{word!r} is none of {', '.join(Flaw)}", param, ctx)
        return words


class ShellCommand(click.ParamType[str]):
    """A command for the shell, or `none` for no command, which is "" inside."""

    name = "command"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "CMD|none"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002 - click's signature
        ctx: click.Context | None,  # noqa: ARG002
    ) -> str:
        """Return the command."""
        return "" if value == "none" else str(value)


class Occasion(click.ParamType[str]):
    """A word of letters, digits, `.`, `_` and `-`; `today`, however it is written, is `today`."""

    name = "occasion"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "WORD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word."""
        word = str(value)
        if not is_occasion(word):
            self.fail(f"{word!r} is no word of 1 to 64 letters, digits, dots, _ and -", param, ctx)
        return TODAY if is_today(word) else word


class ModelName(click.ParamType[str]):
    """The name of a model: anything that can be printed, without spaces."""

    name = "name"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return how a user types it."""
        return "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        name = str(value)
        if not name or not name.isprintable() or " " in name:
            self.fail(f"{plain(name)!r} is no name of a model, like grok-4.3", param, ctx)
        return name


def is_named(parameter: str) -> bool:
    """Return whether the command line of the running command names a parameter."""
    source = click.get_current_context().get_parameter_source(parameter)
    return source is ParameterSource.COMMANDLINE


def is_model_given() -> bool:
    """Return whether the running command was given --model."""
    return is_named("model")


def take_options(given: dict[str, Any]) -> dict[str, Any]:
    """Remove the flags that are options of a run from those of a command; return the options that it names.

    They have the names and the values of `db.runs.RunOptions`. A flag that was not named is missing: the run
    keeps what an earlier command said.
    """
    named = {}
    for flag, option in _OPTIONS.items():
        value = given.pop(flag, None)
        if is_named(flag):
            named[option] = value or None if option in _FALSE_IS_NONE else value
    return named


def refuse_two_models(model_for_all: str | None) -> None:
    """Raise UsageError if the running command was given both --model and --model-for-all."""
    if model_for_all is not None and is_model_given():
        raise UsageError(
            "--model and --model-for-all exclude each other: with the second no line is left for the first",
            fix="give --model for the lines that name no model, or --model-for-all for every line",
        )


def _complete_runs(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from runner.cli.session.completion.run_names import complete_runs  # only a shell that completes needs it

    return complete_runs(incomplete)


run_argument: Final = click.argument("run", type=Text(), shell_complete=_complete_runs)
maybe_run_argument: Final = click.argument("run", type=Text(), required=False, shell_complete=_complete_runs)
budget_flag: Final = click.option(
    "--budget",
    type=Budget(),
    help="Stop sending before the run costs more than this; possible costs count. Exit 6.",
)
on_end_flag: Final = click.option(
    "--on-end",
    type=ShellCommand(),
    help="Shell command to call when the run has ended or is paused; it gets RUN_STATE, RUN_EXIT_CODE and"
    " others in its environment.",
)
model_flag: Final = click.option(
    "--model",
    type=ModelName(),
    default=models.DEFAULT,
    show_default=True,
    help="Model for lines that name none.",
)
model_for_all_flag: Final = click.option(
    "--model-for-all", type=ModelName(), help="Model for every line, whatever it names."
)
yes_flag: Final = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
reason_flag: Final = click.option(
    "--reason", metavar="TEXT", help="Why; kept beside the change, with who made it."
)
dry_run_flag: Final = click.option("--dry-run", is_flag=True, help="Only show what would be done.")
json_flag: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
quiet_flag: Final = click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
verbose_flag: Final = click.option(
    "-v", "--verbose", is_flag=True, help="Also print what happens to the run."
)


def selection_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags that choose jobs of a run; a job is chosen if it fits all that are given."""
    for option in reversed(_SELECTION):
        command = option(command)
    return command


_SELECTION: Final = (
    click.option("--code", type=Text(), metavar="CODE", help="Only jobs with this error code."),
    click.option(
        "--id",
        "ids",
        type=Text(),
        multiple=True,
        metavar="ID",
        help="Only this job, or those of a list with one per line; can be given several times.",
    ),
    click.option("--model", type=ModelName(), help="Only jobs that name this model."),
    click.option(
        "--flaw",
        type=click.Choice([flaw.value for flaw in Flaw]),
        help="Only jobs whose last answer was cut off, declined or empty.",
    ),
)


def shaping_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument FILE and the flags that decide what is loaded and as which run."""
    for option in reversed(_SHAPING):
        command = option(command)
    return command


name_flag: Final = click.option("--name", type=Text(), help="Name of the run.  [default: that of the file]")
new_flag: Final = click.option(
    "--new", is_flag=True, help="Start a fresh run, even if the file was run before."
)
occasion_flag: Final = click.option(
    "--occasion",
    type=Occasion(),
    help="Word for this time, such as 2026-11-28, or today. The same word is the same run; another word"
    " sends the file again.",
)
trust_code_flag: Final = click.option(
    "--trust-code", is_flag=True, help="Run the code that a recipe names as its schema."
)
_SHAPING: Final = (
    click.argument("file", type=InputPath()),
    name_flag,
    new_flag,
    occasion_flag,
    model_flag,
    model_for_all_flag,
    click.option(
        "--skip-bad", is_flag=True, help="Load the good lines, write the bad ones to FILE.bad.jsonl."
    ),
    click.option("--strict", is_flag=True, help="Refuse the file for warnings as well."),
    trust_code_flag,
)
