"""The front page and the help texts, and that they match the commands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from runner import __version__
from runner.cli.main import ROWS, cli
from runner.db.runs.run_row import RunOptions
from runner.intake.job_file import LoadFlags

NAMES = [row.name for row in ROWS]


def commands() -> dict[str, click.Command]:
    """Return every command by its path, including those of groups."""
    found: dict[str, click.Command] = {}
    context = click.Context(cli)
    for name in NAMES:
        command = cli.get_command(context, name)
        assert command is not None
        found[name] = command
        if isinstance(command, click.Group):
            found.update({f"{name} {inner}": command.commands[inner] for inner in command.commands})
    return found


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the real command."""
    return subprocess.run(
        [sys.executable, "-m", "runner", *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def test_without_arguments_it_prints_a_page_of_under_20_lines() -> None:
    """One sentence, three examples, the commands by stage; exit 0."""
    done = call()

    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert len(lines) < 20
    assert sum(line.startswith("  runner ") for line in lines) == 3
    assert all(re.search(rf"\b{name}\b", done.stdout) for name in NAMES)


def test_the_version_is_printed() -> None:
    """What help and version import: test_lazy_imports.py."""
    assert f"runner {__version__}\n" == call("--version").stdout


@pytest.mark.parametrize(("word", "message"), [("sttus", 'did you mean "status"?'), ("xyzzy", "no command")])
def test_a_mistyped_command_is_reported_with_what_was_meant(word: str, message: str) -> None:
    """Exit 2, two lines, nothing on stdout."""
    done = call(word)

    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_a_mistyped_flag_is_reported_with_the_help_that_lists_them() -> None:
    """In the form of all errors."""
    done = call("run", "x.jsonl", "--rmp", "60")

    assert done.returncode == 2
    assert done.stderr.startswith("error: no such option")
    assert "fix: runner run --help" in done.stderr


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_has_help_with_an_example(name: str) -> None:
    """And every option has a help text."""
    command = commands()[name]
    shown = CliRunner().invoke(cli, [*name.split(), "--help"])

    assert shown.exit_code == 0
    assert "Example" in shown.output
    assert f"runner {name}" in shown.output
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_the_front_page_has_the_short_help_of_each_command(row: Any) -> None:
    """The text is written twice so that the front page needs no import; both must agree."""
    if row.name != "simulate":  # its text belongs to the simulator
        assert commands()[row.name].short_help == row.does


def test_the_defaults_shown_are_those_in_force() -> None:
    """They are written twice, so that --help imports no database module."""
    run, load = (
        {parameter.name: parameter.default for parameter in commands()[name].params}
        for name in ("run", "load")
    )

    for name in ("max_attempts", "on_ambiguous", "max_waiting"):
        assert getattr(RunOptions(), name) == run[name]
    assert LoadFlags().model == run["model"] == load["model"]


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_names_every_command(name: str) -> None:
    """In its table, with a link to the full page."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")

    assert re.search(rf"\| `[^|]*\b{name}\b[^|]*` \|", readme), name
    assert "docs/commands.md" in readme
