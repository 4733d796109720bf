"""`runner eval SUITE`: measure a suite tonight, and say whether it got worse. Again: continue."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from runner.cli import flags, value_types
from runner.cli.path_types import InputPath
from runner.cli.session.context import check_connections, read_settings
from runner.cli.session.engine_lease import engine_lease
from runner.cli.session.running.run_options import night_sending_options
from runner.embedded.gc_pause import gc_paused

_HELP: Final = """\
Answer all items of SUITE (a .suite.toml file), grade the answers, and compare them with those of the
nights before: did it get worse, or is it noise? The same command again continues the night.

The night is SUITE@DATE. One that looks worse is measured a second time before it alarms. Exit code 10:
regressed; 11: no verdict. The report is written as SUITE.DATE.eval.json, .md, .junit.xml and .items.csv.
A night that was not finished is finished first. Options such as --rpm and --budget stay with the night:
a later call changes only those that it names.

--on-end is called once when the night has its verdict, and once more where a later call gives it another
one, as after `runner retry`: never twice for the same. It gets RUN_VERDICT too.

\b
Example, each night:
  runner eval jobs/support.suite.toml --budget 5
Example, look first:
  runner check jobs/support.suite.toml
"""


@click.command("eval", short_help="Measure a suite tonight: did it get worse?", help=_HELP)
@click.argument("file", metavar="SUITE.toml", type=InputPath())
@click.option(
    "--occasion",
    type=value_types.Occasion(),
    default="today",
    help="Word for this night.  [default: today's date in the suite's time zone]",
)
@click.option("--new", is_flag=True, help="Begin another night of this occasion, even if there is one.")
@click.option(
    "-o",
    "--output",
    metavar="STEM",
    type=click.Path(path_type=Path),
    help="Where the report is written: STEM.eval.json and so on.  [default: SUITE.DATE, in this folder]",
)
@click.option("--force", is_flag=True, help="Replace files that another night wrote.")
@click.option("--trust-code", is_flag=True, help="Run the graders in Python that the suite names.")
@click.option("--detach", is_flag=True, help="Return at once; work in the background, write no files.")
@night_sending_options
def command(file: Path, **given: Any) -> int:
    """Answer all items of a suite, grade the answers, and compare them with those of the nights before."""
    settings = read_settings()
    with engine_lease(settings) as lease:
        if settings.api_key is not None:
            check_connections(settings)
        with gc_paused():
            from runner.cli.session.actor import read_actor
            from runner.cli.session.nights.eval_night import eval_suite
            from runner.cli.session.nights.night_calls import EvalFlags

        options = flags.take_options(given)
        eval_flags = EvalFlags(**given, options=options)
        return eval_suite(settings, lease, file, eval_flags, read_actor(settings))
