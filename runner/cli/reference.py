"""docs/commands.md, made from the commands themselves: what `--help` prints, stage by stage."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

import click

from runner.cli.main import ROWS, cli
from runner.rules.exit_codes import MEANINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH: Final = 80


def markdown() -> str:
    """Return docs/commands.md, whole."""
    lines = [
        "# Commands",
        "",
        "Generated from the commands themselves by `make docs`; do not edit.",
        "What `--json` prints is in [json.md](json.md).",
    ]
    for stage, rows in groupby(ROWS, key=lambda row: row.stage):
        lines += ["", f"## {stage}"]
        for row in rows:
            for path, command in _with_subcommands(row.name):
                lines += ["", f"### {path}", "", "```text", _help(path, command), "```"]
    lines += ["", "## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code.value} | {meaning} |" for code, meaning in MEANINGS.items()]
    return "\n".join([*lines, ""])


def _with_subcommands(name: str) -> Iterator[tuple[str, click.Command]]:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None  # noqa: S101 - the rows name commands that are there; a test calls each
    yield f"runner {name}", command
    if isinstance(command, click.Group):
        for below in sorted(command.commands):
            yield f"runner {name} {below}", command.commands[below]


def _help(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path, terminal_width=_WIDTH, **cli.context_settings)
    return command.get_help(context).rstrip()
