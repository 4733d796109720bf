"""Every flag that takes a number reads it strictly: nothing hostile is taken for a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click
import pytest

from runner.cli import value_types
from runner.cli.main import ROWS, cli
from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTILE: Final = (
    *("", " ", "5,50", "1,00,000", "1_000", "1 000", "+5", "-5", "1e3", "0x10", "nan", "inf", "five"),
    *("\u0661\u0662", "\uff11\uff12", "\u00b2", "1.000,5", "1,", "5\u200b", "9" * 40),
    *(
        " 5",
        "5 ",
        "5\n",
        "\u00a05",
        "-0",
        "5.",
        "1,00",
        "1,000,00",
        "\u00bd",
        "\u221e",
        "5 USD",
        "1h30",
        "1 h",
        "5M",
    ),
)
NOT_NUMBERS: Final = (click.STRING, click.BOOL, click.UNPROCESSED)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command and subcommand with its name."""
    context = click.Context(cli)
    for row in ROWS:
        command = cli.get_command(context, row.name)
        assert command is not None
        yield row.name, command
        if isinstance(command, click.Group):
            yield from ((f"{row.name} {name}", inner) for name, inner in command.commands.items())


def number_options() -> Iterator[tuple[str, click.Option]]:
    """Yield every option whose type reads a number; its default, if any, shows that, else its type."""
    for name, command in commands():
        for option in command.params:
            if isinstance(option, click.Option) and reads_numbers(option):
                yield f"{name} {option.opts[-1]}", option


def reads_numbers(option: click.Option) -> bool:
    """Return whether an option takes `7` and gives something other than the text itself."""
    if option.is_flag or option.type in NOT_NUMBERS or isinstance(option.type, click.Path | click.Choice):
        return False
    try:
        return option.type.convert("1", option, None) not in ("1", ("1",))
    except (click.BadParameter, UsageError):
        return False


OPTIONS: Final = dict(number_options())


def test_the_flags_are_found() -> None:
    """So that the next test cannot be empty."""
    found = set(OPTIONS)
    assert {"run --budget", "run --rpm", "run --tpm", "run --limit", "run --timeout"} <= found
    assert {"run --max-attempts", "run --max-waiting", "run --max-failures", "prune --keep"} <= found
    assert {"check --expect-output", "worker --processes", "watch --interval", "simulate --port"} <= found
    assert {"resume --limit", "simulate --seed", "simulate --rpm", "simulate --median-s"} <= found


@pytest.mark.parametrize("name", OPTIONS)
def test_no_flag_takes_what_is_no_number(name: str) -> None:
    """Python's int and float take underscores, exponents, signs, and digits of other scripts."""
    option = OPTIONS[name]
    for text in HOSTILE:
        with pytest.raises(click.BadParameter):
            option.type.convert(text, option, None)


@pytest.mark.parametrize("name", [name for name in OPTIONS if name.split()[-1] in {"--limit", "--budget"}])
def test_groups_of_three_are_read(name: str) -> None:
    """As this program prints them."""
    option = OPTIONS[name]
    assert option.type.convert("1,000", option, None) == option.type.convert("1000", option, None)


def test_the_sentence_has_the_flag_and_the_cure(capfd: pytest.CaptureFixture[str]) -> None:
    """What was given, why it is refused, how to write it."""
    from runner.cli.main import call

    assert call(["run", "jobs.jsonl", "--budget", "5,50"]) == 2
    shown = " ".join(capfd.readouterr().err.split())
    assert "invalid value for '--budget': '5,50' is no amount in US dollars" in shown
    assert "write 5.50" in shown


def test_a_count_shows_its_range_as_click_does() -> None:
    """In the help and in the error."""
    with pytest.raises(click.BadParameter, match="1<=x<=64"):
        value_types.Count(1, 64).convert("65", None, None)
