"""The flags of commands that load and work, and of `set`: how a run is sent, watched and written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from runner.cli import flags, value_types
from runner.cli.session.running.output_flag import output_flag

if TYPE_CHECKING:
    from collections.abc import Callable


def night_sending_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags of how the jobs of a night are sent, followed and reported."""
    for option in reversed(_NIGHT):
        command = option(command)
    return command


def run_options(
    output_default: str, unit: str = "jobs of the file"
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds the flags of `run` after those that shape the run.

    `output_default` names the file of results without -o, `unit` what --limit counts.
    """
    options = (
        output_flag(f"{output_default}, in this folder"),
        click.option("--force", is_flag=True, help="Replace output files that another run wrote."),
        click.option("--limit", type=value_types.NumberOrNone(), help=f"Send at most N {unit}."),
        *_WORK,
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def rate_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags of a run's own limits of a minute."""
    for option in reversed(_RATES_OF_RUN):
        command = option(command)
    return command


def set_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags of the options that `set` changes: those of `run`, without defaults."""
    for option in reversed((*_limits(rates=_RATES_OF_SET), _flaws(), flags.on_end_flag)):
        command = option(command)
    return command


def _rates(kind: click.ParamType[Any], more: str = "") -> tuple[Callable[..., Any], ...]:
    """Return the flags of the limits of a minute."""
    return tuple(
        click.option(
            f"--{name}",
            type=kind,
            help=f"{unit} per minute of this run; the model's limit applies as well.{more}",
        )
        for name, unit in (("rpm", "Requests"), ("tpm", "Tokens"))
    )


_RATES_OF_RUN = _rates(value_types.NumberOrNone())
_RATES_OF_SET = _rates(value_types.RateOrDefault(), " With --team: of all runs; default is the model's.")


def _limits(
    *,
    rates: tuple[Callable[..., Any], ...] = _RATES_OF_RUN,
    max_attempts: int | None = None,
    on_ambiguous: str | None = None,
    max_waiting: int | None = None,
) -> tuple[Callable[..., Any], ...]:
    """Return the flags of the limits and bounds of a run; the defaults are shown where they are given."""
    return (
        flags.budget_flag,
        *rates,
        click.option(
            "--max-attempts",
            type=value_types.Count(1, 100),
            metavar="N",
            default=max_attempts,
            show_default=True,
            help="Attempts of a job before it fails.",
        ),
        click.option(
            "--on-ambiguous",
            type=click.Choice(["resubmit", "hold"]),
            default=on_ambiguous,
            show_default=True,
            help="What to do when it is unknown whether a request arrived.",
        ),
        click.option(
            "--max-waiting",
            type=value_types.Count(1),
            metavar="N",
            default=max_waiting,
            show_default=True,
            help="Accepted requests that may wait for their answers at the same time.",
        ),
        click.option(
            "--max-failures", type=value_types.NumberOrNone(), help="Pause when N jobs have failed."
        ),
    )


def _flaws() -> Callable[..., Any]:
    return click.option(
        "--fail-on",
        type=value_types.Flaws(),
        help="Fail jobs whose answer is cut off (length), declined (refusal) or empty; checked when the"
        " answer arrives.",
    )


_LIMITS = _limits(max_attempts=5, on_ambiguous="resubmit", max_waiting=50_000)
_TIMEOUT = click.option(
    "--timeout", type=value_types.Duration(), help="Stop waiting after this time (90s, 2h); exit 7."
)
_ON_END_OF_NIGHT = click.option(
    "--on-end",
    type=value_types.ShellCommand(),
    help="Shell command to call when the night has its verdict; it gets the report on stdin, and RUN_VERDICT,"
    " RUN_EXIT_CODE and others in its environment.",
)
_REPORTING = (flags.yes_flag, flags.json_flag, flags.quiet_flag, flags.verbose_flag)
_WORK = (*_LIMITS, _flaws(), _TIMEOUT, flags.on_end_flag, *_REPORTING)
_NIGHT = (*_LIMITS, _TIMEOUT, _ON_END_OF_NIGHT, *_REPORTING)
