"""`runner costs [RUN]`: what answers cost, by run, model and day."""

from __future__ import annotations

from typing import Final

import click

from runner.cli import flags
from runner.cli.printing import print_escaped, print_json
from runner.cli.render import text
from runner.cli.render.runs.costs_table import CostReport, costs_csv, costs_table, grouped_costs, total_costs
from runner.cli.session.context import existing_database, find_costs_of, read_settings
from runner.db.counts import daily_costs
from runner.db.events import event_log
from runner.db.runs import runs
from runner.db.session import clock_ms
from runner.rules.json_object import SCHEMA

_GROUPS: Final = ("run", "model", "day")


_HELP: Final = """\
Show what the answers of RUN (an id or a name), or of all runs, have cost, to the tick.

A day is the UTC day on which an answer arrived. Runs that were removed since are in the sums, and found
by their id or name. What answers that nobody could read may have cost is not; it stands beside them:
probably (about), and at most. Of removed runs the event of their removal has it.

\b
Example, the cost of each day, and a spreadsheet of everything:
  runner costs --by day
  runner costs --csv > costs.csv
"""


@click.command("costs", short_help="Show what was spent, by run, model and day.", help=_HELP)
@flags.maybe_run_argument
@click.option(
    "--by",
    type=click.Choice(_GROUPS),
    multiple=True,
    help="Group by this; can be given several times.  [default: all three]",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV that is safe to open in a spreadsheet.")
@flags.json_flag
def command(run: str | None, *, by: tuple[str, ...], as_csv: bool, as_json: bool) -> None:
    """Show what the answers of RUN (an id or a name), or of all runs, have cost, to the tick."""
    with existing_database(read_settings()) as database, database.read() as connection:
        found = daily_costs.read(connection, find_costs_of(connection, run) if run else None)
        names = event_log.names_of_removed_runs(connection)
        names |= {row.id: row.name for row in runs.all_runs(connection)}
        now_ms = clock_ms(connection)
    groups = [name for name in _GROUPS if name in by] or list(_GROUPS)
    rows = grouped_costs(found, groups, names)
    total = total_costs(found)
    if as_json:
        print_json(CostReport(schema=SCHEMA, as_of=text.iso(now_ms), rows=rows, total=total))
    elif as_csv:
        print_escaped(costs_csv(rows, groups).removesuffix("\n"))
    else:
        for line in costs_table(rows, total, groups):
            print_escaped(line)
