"""`runner show RUN ID`: the history of one job, or the bytes of its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from runner.cli import flags, value_types
from runner.cli.printing import print_bytes, print_escaped, print_json
from runner.cli.render.jobs.job_object import story_object
from runner.cli.render.jobs.job_story import story_lines
from runner.cli.session.context import existing_database, find_run, read_settings
from runner.db.answers import results, unreadables
from runner.db.counts import counters
from runner.db.jobs import job_history
from runner.db.jobs.row_jobs import job_of_row
from runner.db.session import clock_ms
from runner.rules.counted import count
from runner.rules.errors import UsageError
from runner.rules.labels.row_status import RowStatus
from runner.rules.printed_id import read_id, short_id
from runner.rules.redact import one_line

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from runner.db.runs.run_row import RunRow

_ID_LENGTH = 80
_FAULT_LENGTH = 400
_DIGITS_MAX = 10


_HELP: Final = """\
Show the history of the job with the custom_id ID of RUN: prompt, answer, every attempt, cost.

In a labeled table ID may also be the number of a row.

\b
Example, the answer itself:
  runner show reviews r-17 --raw | jq -r '.choices[0].message.content'
"""


@click.command("show", short_help="Show the history of one job.", help=_HELP)
@flags.run_argument
@click.argument("job_id", type=value_types.Text(), metavar="ID")
@click.option("--full", is_flag=True, help="Show the whole prompt and answer.")
@click.option("--raw", is_flag=True, help="Print only the bytes of the last answer, exactly as received.")
@flags.json_flag
def command(run: str, job_id: str, *, full: bool, raw: bool, as_json: bool) -> None:
    """Show the history of the job with the custom_id ID of RUN: prompt, answer, every attempt, cost."""
    with existing_database(read_settings()) as database, database.read() as connection:
        found = find_run(connection, run)
        job = job_history.find_job(connection, found.id, job_id) or _job_of_row(connection, found, job_id)
        if job is None:
            raise _unknown(connection, found, job_id)
        answer = results.answer_of(connection, job.id, job.answered_by)
        if raw:
            if answer is None:
                shown = short_id(job.custom_id, _ID_LENGTH)
                raise UsageError(f"there is no answer of {shown} yet; it is {job.state}")
            print_bytes(answer)
            return
        request = results.loaded_bodies(connection, [job.id])[job.id][0]
        set_model = results.set_model(connection, job.id)
        attempts = job_history.attempts_of_job(connection, job.id)
        unreadable = unreadables.of_job(connection, job.id)
        now_ms = clock_ms(connection)
    if as_json:
        story = story_object(
            found, job, attempts, unreadable, request, answer, now_ms=now_ms, set_model=set_model
        )
        print_json(story)
        return
    lines = story_lines(found, job, attempts, unreadable, request, answer, full=full, set_model=set_model)
    for line in lines:
        print_escaped(line)


def _job_of_row(connection: Connection, run: RunRow, word: str) -> Row[Any] | None:
    """Return the job of a row of a labeled table by its number, also as row-N.

    None where the word is no number. Raises UsageError if the row has no job.
    """
    if run.recipe is None:
        return None
    number = word.removeprefix("row-")  # no id of a column is called like this
    if not (number.isascii() and number.isdigit() and len(number) <= _DIGITS_MAX):
        return None
    found = job_of_row(connection, run.id, int(number))
    if found.custom_id is not None:
        return job_history.find_job(connection, run.id, found.custom_id)
    if found.fault is not None:
        raise UsageError(
            f"row {number} of run {run.id} was skipped, so it has no job",
            where=(one_line(found.fault, _FAULT_LENGTH),),
            fix="correct it and put it in a table of its own; or label the whole table again with --new",
        )
    raise UsageError(
        f"row {number} of run {run.id} has no job",
        fix="the table has no such row, or where, sample or limit left it out",
    )


def _unknown(connection: Connection, run: RunRow, job_id: str) -> UsageError:
    near = [short_id(name, _ID_LENGTH) for name in job_history.similar_ids(connection, run.id, job_id)]
    meant = f"; did you mean {' or '.join(near)}?" if near else ""
    return UsageError(
        f"run {run.id} has no {run.unit} {short_id(read_id(job_id), _ID_LENGTH)}{meant}",
        where=_skipped(connection, run),
        fix=f"ID is {run.ids_text}{'' if run.recipe is None else '; or the number of a row'}",
    )


def _skipped(connection: Connection, run: RunRow) -> tuple[str, ...]:
    """Return that the run does not know the ids of rows that were skipped, where there are any."""
    skipped = counters.read(connection, run.id, "rows").get(("rows", RowStatus.SKIPPED), 0)
    if not skipped:
        return ()
    rows = count(skipped, "row was", "rows were")
    return (f"{rows} skipped at loading and kept by number alone: runner sample {run.id} --status skipped",)
