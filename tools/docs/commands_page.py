"""docs/commands.md: the `--help` text of every command, and the exit codes."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

import click

from runner.cli.main import ROWS, cli
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WIDTH: Final = 80
MEANINGS: Final[Mapping[ExitCode, str]] = {
    ExitCode.OK: "all jobs succeeded; or the command did its work",
    ExitCode.SOME_FAILED: "the run has finished, some jobs failed or are held;"
    " or rows of a table have no labels",
    ExitCode.USAGE: "a flag, an argument or a setting is wrong, or a confirmation was needed and could not"
    " be asked for",
    ExitCode.BAD_JOB_FILE: "the job file has bad lines; nothing was loaded",
    ExitCode.KEY_REFUSED: "the API refuses the key",
    ExitCode.UNREACHABLE: "a service, or the state folder, cannot be reached; or a command that only prints"
    " could not print",
    ExitCode.BUDGET: "the run is paused: its budget is used",
    ExitCode.TIMEOUT: "--timeout was reached; the work may continue",
    ExitCode.PAUSED: "the run is paused for another reason",
    ExitCode.CANCELLED: "the run was cancelled",
    ExitCode.REGRESSED: "`compare`: the scores got worse",
    ExitCode.NO_VERDICT: "`compare`: no verdict yet",
    ExitCode.BUG: "a bug of runner; a report was written",
    ExitCode.INTERRUPTED: "Ctrl-C",
    ExitCode.BROKEN_PIPE: "nothing reads stdout any more, as when it is piped into `head`",
    ExitCode.TERMINATED: "SIGTERM",
}
_STREAMS: Final = (
    "What cannot be printed stops no work: files are written and runs go on. When nothing reads stdout any",
    "more, a command ends with 141, once its work is done; `watch`, which only shows, at once. When stdout",
    "takes nothing for another reason, such as a full disk, a command that only prints (`list`, `status`,",
    "`check` …) ends with 5; others warn and keep their code. What stderr does not take is lost, and so is",
    "what goes to a closed stream. Bytes of names that are no text, and characters that the terminal lacks,",
    "are printed as escapes (`\\udce9`, `\\u65e5`).",
)


def markdown() -> str:
    """Return the text of docs/commands.md."""
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
    return "\n".join([*lines, "", *_STREAMS, ""])


def _with_subcommands(name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield a command and its subcommands, each with the words that call it."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None  # noqa: S101 - the rows name commands that are there; a test calls each
    yield f"runner {name}", command
    if isinstance(command, click.Group):
        for below in sorted(command.commands):
            yield f"runner {name} {below}", command.commands[below]


def _help(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path, terminal_width=_WIDTH, **cli.context_settings)
    return command.get_help(context).rstrip()
