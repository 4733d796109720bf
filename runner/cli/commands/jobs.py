"""`runner jobs RUN`: the jobs of a run, page by page."""

from __future__ import annotations

import sys
from typing import Any, Final

import click

from runner.cli import flag_values, flags, value_types
from runner.cli.printing import print_escaped, print_json, print_note
from runner.cli.render.jobs.job_list import job_lines, job_list_object, more_lines
from runner.cli.session.context import existing_database, read_settings
from runner.cli.session.jobs.list_jobs import PageRequest, read_page
from runner.rules.command_line import command_without
from runner.rules.states import JobState

_ROWS: Final = 50
_ROWS_MAX: Final = 10_000

_HELP: Final = """\
List jobs of RUN (an id or a name), in the order of its file: those that fit all flags.

A page has --limit jobs; the command for the next one is printed below it. Where no index has what is
asked for, such as a model among millions of jobs, a page looks at the next 100,000 jobs and says so.
Prompts and answers are left out; --content shows them, cut to one line (with --json whole).

\b
Example, what failed, and what was asked there:
  runner jobs reviews --state failed --state held
  runner jobs reviews --code safety --content
  runner jobs reviews --state waiting --json | jq -r '.jobs[].id'
"""


@click.command("jobs", short_help="List jobs of a run by state, code, model or flaw.", help=_HELP)
@flags.run_argument
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in JobState]),
    multiple=True,
    help="Only jobs in this state; can be given several times.",
)
@flags.selection_flags
@click.option(
    "--limit",
    "rows_max",
    type=value_types.Count(1, _ROWS_MAX),
    default=_ROWS,
    show_default=True,
    metavar="N",
    help="At most N jobs.",
)
@click.option("--after", type=value_types.Text(), metavar="ID", help="Begin after this job.")
@click.option("--content", "has_content", is_flag=True, help="Show prompts and answers too.")
@flags.json_flag
def command(
    run: str,
    *,
    states: tuple[str, ...],
    rows_max: int,
    after: str | None,
    has_content: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """List jobs of RUN (an id or a name), in the order of its file: those that fit all flags."""
    asked = PageRequest(
        states=tuple(JobState(state) for state in states),
        given=flag_values.JobFilter(**given),
        rows_max=rows_max,
        after=after,
        has_content=has_content,
    )
    with existing_database(read_settings()) as database, database.read() as connection:
        page = read_page(connection, run, asked)
    if as_json:
        print_json(job_list_object(page))
        return
    if page.jobs:
        for line in job_lines(page):
            print_escaped(line)
    elif page.looked_at is None:
        print_note(f"run {page.run.id} has no such {page.run.unit}s")
    for line in more_lines(page, command_without(sys.argv[1:], "--after")):
        print_note(line)
