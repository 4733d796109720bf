"""`runner history SUITE`: the nights of a suite, one line each."""

from __future__ import annotations

from typing import Final

import click

from runner.cli import flags, value_types
from runner.cli.printing import print_escaped, print_json
from runner.cli.render.nights.night_history import history_lines, history_object
from runner.cli.session.context import existing_database, read_settings
from runner.cli.session.nights.find_night import need_suite

_HELP: Final = """\
Show the nights of SUITE (its name), the newest last: verdict, score, cost, and what answered.

The score is that of the primary grader. A night that is accepted may be in the pool that later nights are
compared with; `runner baseline` changes that.

\b
Example, the last week, and the scores for a chart:
  runner history answers --last 7
  runner history answers --json | jq '.nights[] | [.occasion, .score]'
"""


@click.command("history", short_help="Show the nights of a suite.", help=_HELP)
@click.argument("suite")
@click.option("--last", type=value_types.Count(1), metavar="N", help="Only the newest N nights.")
@flags.json_flag
def command(suite: str, *, last: int | None, as_json: bool) -> None:
    """Show the nights of SUITE (its name), the newest last."""
    from runner.db.evaluation import history

    with existing_database(read_settings()) as database, database.read() as connection:
        nights = history.read(connection, need_suite(connection, suite))
    shown = nights if last is None else nights[-last:]
    if as_json:
        print_json(history_object(suite, shown))
        return
    for line in history_lines(shown):
        print_escaped(line)
