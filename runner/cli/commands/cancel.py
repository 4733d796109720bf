"""`runner cancel RUN`: end a run; nothing more is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from runner.cli import flags
from runner.cli.printing import print_json, print_note
from runner.cli.render import text
from runner.cli.render.ending_text import done_text
from runner.cli.session.confirm import confirm
from runner.cli.session.context import existing_database, find_run, read_settings
from runner.cli.session.ending import read_outstanding_lines
from runner.cli.session.run_state import read_live_object, read_snapshot
from runner.db import runs, user_moves
from runner.db.counters import Deltas
from runner.engine import cost_bounds, run_completion
from runner.rules.errors import UsageError
from runner.rules.states import JobState, RunState

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from runner.cli.snapshot import Snapshot
    from runner.db.session import Database
    from runner.engine.cost_bounds import PriceBasis
    from runner.rules.unread_cost import UnreadCost


@click.command("cancel", short_help="End a run: nothing more is sent.")
@flags.run_argument
@click.option(
    "--now", is_flag=True, help="Also abandon answers that are not collected yet; they may be billed."
)
@flags.dry_run_flag
@flags.yes_flag
@flags.json_flag
@flags.quiet_flag
def command(run: str, *, now: bool, dry_run: bool, yes: bool, as_json: bool, quiet: bool) -> None:
    """End RUN (an id or a name): jobs that were not sent, or are held, are cancelled.

    Accepted requests are still collected, because they are paid; --now abandons them. `runner retry RUN
    --cancelled` makes the cancelled jobs pending again.

    \b
    Example, look first:
      runner cancel reviews --dry-run
      runner cancel reviews --yes
    """
    settings = read_settings()
    with existing_database(settings) as database:
        with database.read() as connection:
            found = find_run(connection, run)
        snapshot = read_snapshot(database, found.id)
        if found.is_over or found.state is RunState.LOADING:
            raise UsageError(f"run {found.id} is {found.state}: there is nothing to cancel")
        if not confirm(_question(snapshot, now=now), yes=yes, dry_run=dry_run, as_json=as_json):
            return
        pricing = cost_bounds.price_basis(settings.base_url, settings.prices)
        _cancel(database, found.id, replace(pricing, counts=snapshot.counts), now=now)
        snapshot = read_snapshot(database, found.id)
        if as_json:
            print_json(read_live_object(database, snapshot))
        elif not quiet:
            print_note(f"run {found.id} is cancelled: {done_text(snapshot)}")
            for line in read_outstanding_lines(database, snapshot):
                print_note(line)
            if not snapshot.run.is_over:
                print_note(
                    f"accepted requests are still collected while a worker runs: runner start {found.id}"
                )


def _question(snapshot: Snapshot, *, now: bool) -> str:
    ended = text.count(snapshot.jobs(JobState.PENDING, JobState.HELD), "job")
    if not snapshot.outstanding:
        return f"cancel {ended} of run {snapshot.run.id}"
    verb, out = "abandon" if now else "still collect", text.count(snapshot.outstanding, "answer")
    return f"cancel {ended} of run {snapshot.run.id} and {verb} {out} that are out"


def _cancel(database: Database, run_id: int, pricing: PriceBasis, *, now: bool) -> None:
    now_ms = database.now_ms()
    with database.write() as connection:
        runs.cancel(connection, run_id, now_ms)

    def unread_cost(row: Row[Any]) -> UnreadCost | None:
        return cost_bounds.unread_cost(row.model, row.prompt_tokens, row.output_tokens_max, now_ms, pricing)

    def cancel_some(connection: Connection, deltas: Deltas) -> int:
        moved = user_moves.cancel(connection, run_id, now_ms, deltas)
        return moved + (user_moves.abandon(connection, run_id, now_ms, deltas, unread_cost) if now else 0)

    user_moves.move_in_chunks(database, cancel_some)
    with database.write() as connection:
        run_completion.complete_if_done(connection, run_id, now_ms, Deltas(0), pricing)
