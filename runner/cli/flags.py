"""The flags that several commands share, and which of them a command was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from runner.cli.path_types import InputPath
from runner.cli.value_types import Budget, ModelName, Occasion, ShellCommand, Text
from runner.rules import models
from runner.rules.errors import UsageError
from runner.rules.replies.chat_completion import Flaw

if TYPE_CHECKING:
    from collections.abc import Callable

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


def is_named(parameter: str) -> bool:
    """Return whether the command line of the running command names a parameter."""
    source = click.get_current_context().get_parameter_source(parameter)
    return source is ParameterSource.COMMANDLINE


def is_model_given() -> bool:
    """Return whether the running command was given --model."""
    return is_named("model")


def take_options(given: dict[str, Any]) -> dict[str, Any]:
    """Remove the flags that are options of a run from those of a command; return the options that it names.

    They have the names and the values of `RunOptions`. A flag that was not named is missing: the run
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
