"""`runner regrade SUITE`: grade stored answers again by the graders of the suite file. Sends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from runner.cli import flags, value_types
from runner.cli.path_types import InputPath
from runner.cli.session.actor import read_actor
from runner.cli.session.context import existing_database, read_settings

if TYPE_CHECKING:
    from pathlib import Path

_HELP: Final = """\
Grade the stored answers of the nights of SUITE again, by the graders and gates that its file has now, and
decide these nights again. Nothing is sent, and it costs nothing. Earlier verdicts are kept.

NIGHT is an occasion, or SUITE@OCCASION; without it all nights are graded. A night whose run was
removed keeps its grades. Report files stay as they were; `runner compare NIGHT` shows the new report.

\b
Example, after a grader was corrected:
  runner regrade jobs/support.suite.toml
"""


@click.command("regrade", short_help="Grade stored answers of a suite again. Sends nothing.", help=_HELP)
@click.argument("file", metavar="SUITE.toml", type=InputPath())
@click.argument("night", metavar="[NIGHT...]", type=value_types.Text(), nargs=-1)
@click.option("--trust-code", is_flag=True, help="Run the graders in Python that the suite names.")
@flags.json_flag
@flags.quiet_flag
def command(file: Path, night: tuple[str, ...], *, trust_code: bool, as_json: bool, quiet: bool) -> None:
    """Grade the stored answers of the nights of a suite again, by the graders of its file."""
    settings = read_settings()
    from runner.cli.session.nights.regrade import regrade_suite

    actor = read_actor(settings)
    with existing_database(settings) as database:
        regrade_suite(database, actor, file, night, trust_code=trust_code, as_json=as_json, quiet=quiet)
