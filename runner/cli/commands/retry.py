"""`runner retry RUN`: make failed, held or cancelled jobs pending again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.cli import flags
from runner.cli.printing import print_json, print_note
from runner.cli.render import text
from runner.cli.render.suggestions import retry_price
from runner.cli.session.confirm import confirm
from runner.cli.session.context import existing_database, find_run, read_settings
from runner.cli.session.ending import retry_cost
from runner.cli.session.run_state import read_live_object, read_snapshot
from runner.db import runs, user_moves
from runner.db.user_moves import JobSelection
from runner.engine.cost_bounds import price_basis
from runner.rules.errors import UsageError
from runner.rules.states import JobState, RunState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.db.counters import Deltas
    from runner.db.session import Database


@click.command("retry", short_help="Send failed or held jobs of a run again.")
@flags.run_argument
@click.option("--failed", is_flag=True, help="Jobs that failed.")
@click.option("--held", is_flag=True, help="Jobs that are held and wait for your decision.")
@click.option("--lost", is_flag=True, help="Held jobs whose answer is gone or has expired.")
@click.option("--cancelled", is_flag=True, help="Jobs that were cancelled.")
@click.option("--code", metavar="CODE", help="Only jobs with this error code.")
@click.option("--id", "ids", multiple=True, metavar="ID", help="Only this job; can be given several times.")
@flags.dry_run_flag
@flags.yes_flag
@flags.json_flag
@flags.quiet_flag
def command(
    run: str,
    *,
    code: str | None,
    ids: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    as_json: bool,
    quiet: bool,
    **kinds: bool,
) -> None:
    """Make jobs of RUN (an id or a name) pending again. Their history stays.

    Sending them again may cost again. A run that has ended becomes ready again: `runner start` or the same
    `runner run` sends the jobs.

    \b
    Example, look first, then send again:
      runner retry reviews --failed --code safety --dry-run
      runner retry reviews --failed --code safety --yes
      runner start reviews
    """
    chosen = _chosen(**kinds, code=code, ids=ids)
    settings = read_settings()
    with existing_database(settings) as database:
        with database.read() as connection:
            found = find_run(connection, run)
            groups = user_moves.matching_groups(connection, found.id, chosen)
        n = sum(group.n for group in groups)
        if found.state is RunState.LOADING or not n:
            raise UsageError(f"run {found.id} has no such jobs", fix=f"runner summary {found.id} counts them")
        pricing = price_basis(settings.base_url, settings.prices)
        price = retry_price(retry_cost(groups, database.now_ms(), pricing))
        again = "anew" if as_json else "again"  # the text of `would` in the JSON is frozen
        if not confirm(
            f"send {text.count(n, 'job')} of run {found.id} {again}, about {price}",
            yes=yes,
            dry_run=dry_run,
            as_json=as_json,
        ):
            return
        _retry(database, found.id, chosen)
        snapshot = read_snapshot(database, found.id)
        if as_json:
            print_json(read_live_object(database, snapshot))
        elif not quiet:
            is_at_work = snapshot.run.state in (RunState.RUNNING, RunState.WAITING)
            print_note(f"{text.count(n, 'job')} of run {found.id} will be sent again")
            if not is_at_work:
                print_note(f"to send them: runner start {found.id}")


def _chosen(
    *, failed: bool, held: bool, lost: bool, cancelled: bool, code: str | None, ids: tuple[str, ...]
) -> JobSelection:
    wanted = {
        JobState.FAILED: failed,
        JobState.HELD: held or lost,
        JobState.CANCELLED: cancelled,
    }
    states = frozenset(state for state, is_wanted in wanted.items() if is_wanted)
    if lost and (failed or held or cancelled):
        raise UsageError("--lost stands alone", fix="give one command for each kind")
    if not states and code is None and not ids:
        fix = "add --failed, --held, --lost, --cancelled, --code CODE or --id ID"
        raise UsageError("which jobs?", fix=fix)
    retryable = frozenset({JobState.FAILED, JobState.HELD, *([JobState.CANCELLED] if ids else [])})
    return JobSelection(states=states or retryable, lost=lost, code=code, custom_ids=ids)


def _retry(database: Database, run_id: int, chosen: JobSelection) -> None:
    now_ms = database.now_ms()

    def retry_some(connection: Connection, deltas: Deltas) -> int:
        moved = user_moves.retry(connection, run_id, chosen, now_ms, deltas)
        if moved:
            runs.reopen(connection, run_id, now_ms)
        return moved

    user_moves.move_in_chunks(database, retry_some)
