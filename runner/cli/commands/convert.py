"""`runner convert FILE`: job lines made of the batch file of another service. Sends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from runner.cli import flags, value_types
from runner.cli.path_types import InputPath
from runner.cli.printing import print_json, print_note
from runner.cli.render.checks.conversion_report import conversion_lines
from runner.cli.session.running.output_flag import output_flag
from runner.output.files import STDOUT
from runner.rules.errors import UsageError
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

_HELP: Final = """\
Write the requests of FILE, the input of another service's batch, as job lines.

Read are lines for OpenAI's chat completions and responses, xAI's batches, Anthropic, Gemini and Bedrock,
mixed as they come; and a JSON document with a list of them. FILE may be compressed with gzip, or - for
stdin. Ids, order and metadata stay.

What was translated, what was left out, and what that may change, is printed on stderr. Lines that name a
model of another service need --model. Exit 3 when a line cannot be converted: nothing is written then,
except with --skip-bad.

\b
Example, a batch that was written for another service:
  runner convert batch.jsonl -o jobs.jsonl --model grok-4.3
"""


@click.command("convert", short_help="Write job lines from the batch file of another service.", help=_HELP)
@click.argument("file", type=InputPath())
@output_flag("FILE.jobs.jsonl, of stdin stdout", what="Job file to write")
@click.option("--model", type=value_types.ModelName(), help="Model for every line, whatever it names.")
@click.option("--skip-bad", is_flag=True, help="Leave out lines that cannot be converted.")
@click.option("--force", is_flag=True, help="Replace an output file that has other content.")
@flags.json_flag
def command(
    file: Path, *, output: Path | None, model: str | None, skip_bad: bool, force: bool, as_json: bool
) -> int:
    """Write the requests of FILE, the input of another service's batch, as job lines."""
    from runner.cli.session.convert_file import convert_file, default_target

    target = output or default_target(file)
    if as_json and target == STDOUT:
        what = "the job lines and the object of --json both go to stdout"
        raise UsageError(what, fix="name a file with -o, or leave --json out")
    result = convert_file(file, target, model, skip_bad=skip_bad, force=force)
    for line in conversion_lines(result):
        print_note(line)
    if as_json:
        from runner.cli.render.checks.conversion_object import conversion_object

        print_json(conversion_object(result))
    return ExitCode.BAD_JOB_FILE if result.output is None else ExitCode.OK
