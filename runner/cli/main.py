"""The command `runner`: its front page, its commands (imported when called), its errors and exit codes."""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from runner import __version__
from runner.embedded.gc_pause import gc_paused
from runner.rules.errors import UserError
from runner.rules.exit_codes import ExitCode, printed_exit_code

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType


class CommandRow(NamedTuple):
    stage: str
    name: str
    does: str


ROWS: Final = (
    CommandRow("All in one", "run", "Load a file, send it, write the files, show the cost. Again: continue."),
    CommandRow("All in one", "label", "Label the rows of a table; the same command again continues."),
    CommandRow("All in one", "eval", "Measure a suite tonight: did it get worse?"),
    CommandRow("In steps", "convert", "Write job lines from the batch file of another service."),
    CommandRow("In steps", "check", "Show what a job file contains, costs and takes. Sends nothing."),
    CommandRow("In steps", "compile", "Print the job lines that a table makes. Sends nothing."),
    CommandRow("In steps", "load", "Read a job file into the database; prints the run's id."),
    CommandRow("In steps", "start", "Start a run; watch it, or leave it in the background."),
    CommandRow("In steps", "watch", "Show the progress of a run."),
    CommandRow("In steps", "write", "Write a run's files, any number of times."),
    CommandRow("Control", "pause", "Stop sending jobs of a run; accepted requests are still collected."),
    CommandRow("Control", "resume", "Continue a paused run, with other limits if you want."),
    CommandRow("Control", "set", "Change limits, budget and other options of a run, at once."),
    CommandRow("Control", "cancel", "End a run: nothing more is sent."),
    CommandRow("Control", "retry", "Send failed or held jobs of a run again."),
    CommandRow("Control", "rm", "Remove a run from the database."),
    CommandRow("Control", "prune", "Remove old runs, and old files of the state folder."),
    CommandRow("Control", "baseline", "Accept or pin nights that later ones are compared with."),
    CommandRow("Inspect", "status", "Show the numbers of a run."),
    CommandRow("Inspect", "list", "Show all runs."),
    CommandRow("Inspect", "jobs", "List jobs of a run by state, code, model or flaw."),
    CommandRow("Inspect", "events", "Show what happened to runs, who did it, and why."),
    CommandRow("Inspect", "workers", "List the workers, or let some drain."),
    CommandRow("Inspect", "sample", "Show some rows of a labeled table beside their labels."),
    CommandRow("Inspect", "show", "Show the history of one job."),
    CommandRow("Inspect", "summary", "Show the results and the cost of a run."),
    CommandRow("Inspect", "costs", "Show what was spent, by run, model and day."),
    CommandRow("Control", "regrade", "Grade stored answers of a suite again. Sends nothing."),
    CommandRow("Inspect", "compare", "Compare scores: did they get worse, or is it noise?"),
    CommandRow("Inspect", "history", "Show the nights of a suite."),
    CommandRow("Set up", "doctor", "Show what is set up, what is missing, and how to fix it."),
    CommandRow("Set up", "simulate", "The xAI API on localhost: strict limits, no key, no cost."),
    CommandRow("Set up", "worker", "Work for runs on shared servers."),
    CommandRow("Set up", "completion", "Make your shell complete commands, flags and runs."),
    CommandRow("Set up", "db", "Manage the database."),
)
# Commands that only print, beside those of the stage Inspect, and flags with which others only do that.
_ONLY_PRINT: Final = frozenset({"check", "compile", "convert", "watch", "doctor", "completion"})
_PRINTING_FLAGS: Final = frozenset({"--help", "-h", "--dry-run"})
_FRONT_PAGE: Final = """\
runner: batch jobs for the xAI API that can be killed at any moment and continue.

  runner run jobs.jsonl               load, send, write the results, show the cost
  runner status                       the progress, from another terminal
  runner show jobs r-17               the history of one job

"""


class _Commands(click.Group):
    """Commands that are imported only when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [row.name for row in ROWS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        for row in ROWS:
            if row.name == cmd_name:
                return _import(row.name)
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            meant = f'; did you mean "{near[0]}"?' if near else ""
            raise click.UsageError(f'there is no command "{args[0]}"{meant}', ctx)
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(_FRONT_PAGE)
        for stage in dict.fromkeys(row.stage for row in ROWS):
            with formatter.section(stage):
                formatter.write_dl([(row.name, row.does) for row in ROWS if row.stage == stage], col_max=12)
        self.format_options(ctx, formatter)
        formatter.write("\nrunner COMMAND --help shows more, with an example.\n")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [record for param in self.get_params(ctx) if (record := param.get_help_record(ctx))]
        with formatter.section("Options"):
            formatter.write_dl(options)


def _import(name: str) -> click.Command:
    with gc_paused():
        command: click.Command = import_module(f"runner.cli.commands.{name}").command
    return command


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="runner %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Show the front page when no command is named."""
    if ctx.invoked_subcommand is None:
        click.echo(_short_page(), nl=False)


def _short_page() -> str:
    stages: dict[str, list[str]] = {}
    for row in ROWS:
        stages.setdefault(row.stage, []).append(row.name)
    lines = [f"  {stage + ':':<12} {', '.join(names)}" for stage, names in stages.items()]
    return _FRONT_PAGE + "\n".join([*lines, "", "runner --help shows more.", ""])


class Terminated(BaseException):
    """Raised on SIGTERM: handled like Ctrl-C, with another exit code."""


def main() -> None:
    """Run the command line and leave with its exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    from runner.cli import streams

    streams.open_streams()
    arguments = sys.argv[1:]
    code = call(arguments)
    only_prints = streams.has_results() or _only_prints(arguments)
    sys.exit(_after_printing(code, streams.stdout_error(), only_prints=only_prints))


def _after_printing(code: int, error: OSError | None, *, only_prints: bool) -> int:
    """Return the exit code of a command whose stdout may have failed; print why, save for a broken pipe."""
    if error is None:
        return code
    ended = printed_exit_code(code, error, only_prints=only_prints)
    if ended != ExitCode.BROKEN_PIPE:
        from runner.cli.printing import print_note
        from runner.rules.os_text import reason_of

        kind = "error" if ended == ExitCode.UNREACHABLE else "warning"
        print_note(f"{kind}: stdout cannot be written: {reason_of(error)}\nfix: print it somewhere else")
    return ended


def _only_prints(arguments: Sequence[str]) -> bool:
    """Return whether what a command prints is all that it does."""
    if not _PRINTING_FLAGS.isdisjoint(arguments):
        return True
    name = next((word for word in arguments if not word.startswith("-")), "")
    stage = next((row.stage for row in ROWS if row.name == name), "Inspect")
    is_drain = name == "workers" and "drain" in arguments
    return (stage == "Inspect" or name in _ONLY_PRINT) and not is_drain


def call(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors are printed on stderr."""
    from runner.cli.printing import print_note

    try:
        code: Any = cli.main(args=list(arguments), prog_name="runner", standalone_mode=False)
    except click.UsageError as error:
        return _report(_as_usage_error(error), arguments)
    except UserError as error:
        return _report(error, arguments)
    except (click.Abort, KeyboardInterrupt):
        print_note("stopped; what was done so far is saved")
        return ExitCode.INTERRUPTED
    except Terminated:
        print_note("stopped; what was done so far is saved")
        return ExitCode.TERMINATED
    except Exception as error:  # noqa: BLE001 - a bug: two lines and a report
        return _report_crash(error, arguments)
    return code if isinstance(code, int) else ExitCode.OK


def _report_crash(error: Exception, arguments: Sequence[str]) -> int:
    from runner.cli import crash
    from runner.embedded import system_errors

    known = system_errors.known(error)
    if known is not None:
        return _report(known, arguments)
    crash.report(error)
    return ExitCode.BUG


def _report(error: UserError, arguments: Sequence[str]) -> int:
    """Print an error, with --json as an object too; return its exit code."""
    from runner.cli.printing import print_note
    from runner.cli.render.text import error_block

    print_note(error_block(error))
    if "--json" in arguments:
        from runner.cli.printing import print_json
        from runner.cli.render.error_object import error_object

        print_json(error_object(error))
    return error.exit_code


def _as_usage_error(error: click.UsageError) -> UserError:
    path = error.ctx.command_path if error.ctx else "runner"
    message = error.format_message().rstrip(".")
    return UserError(message[:1].lower() + message[1:], fix=f"{path} --help shows what it takes")


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise Terminated
