"""`runner cancel RUN`: send nothing more, and end the run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from runner.cli import flags, json, last_words, snapshot, text
from runner.cli.confirm import confirm
from runner.cli.opening import existing_database, find_run, read_settings
from runner.db import by_user, runs
from runner.db.counters import Deltas
from runner.engine import closing, doubt
from runner.rules.errors import UsageError
from runner.rules.states import JobState, RunState

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from runner.cli.snapshot import Snapshot
    from runner.db.session import Database
    from runner.engine.doubt import Pricing


@click.command("cancel", short_help="End a run: nothing more is sent.")
@flags.run_argument
@click.option("--now", is_flag=True, help="Abandon the answers that are out, too; they may be billed.")
@flags.dry_run_flag
@flags.yes_flag
@flags.json_flag
@flags.quiet_flag
def command(run: str, *, now: bool, dry_run: bool, yes: bool, as_json: bool, quiet: bool) -> None:
    """End RUN (an id or a name): jobs that were not sent, or are held, are cancelled.

    Answers that are out are still collected, for they are paid, unless --now abandons them.
    `runner retry RUN --cancelled` takes it back.

    \b
    Example, to look first:
      runner cancel reviews --dry-run
      runner cancel reviews --yes
    """
    settings = read_settings()
    with existing_database(settings) as database:
        with database.read() as connection:
            found = find_run(connection, run)
        seen = snapshot.read(database, found.id)
        if found.is_over or found.state is RunState.LOADING:
            raise UsageError(f"run {found.id} is {found.state}: there is nothing to cancel")
        if not confirm(_what(seen, now=now), yes=yes, dry_run=dry_run, as_json=as_json):
            return
        pricing = doubt.pricing_by(settings.base_url, settings.prices)
        _cancel(database, found.id, replace(pricing, counts=seen.counts), now=now)
        seen = snapshot.read(database, found.id)
        if as_json:
            json.emit(snapshot.live(database, seen))
        elif not quiet:
            text.note(f"run {found.id} is cancelled: {last_words.how_far(seen)}")
            for line in last_words.out(database, seen):
                text.note(line)
            if not seen.run.is_over:
                text.note(f"what is out is still collected while a worker is there: runner start {found.id}")


def _what(seen: Snapshot, *, now: bool) -> str:
    ended = text.of(seen.jobs(JobState.PENDING, JobState.HELD), "job")
    if not seen.out:
        return f"cancel {ended} of run {seen.run.id}"
    verb = "abandon" if now else "still collect"
    return f"cancel {ended} of run {seen.run.id} and {verb} {text.of(seen.out, 'answer')} that are out"


def _cancel(database: Database, run_id: int, pricing: Pricing, *, now: bool) -> None:
    now_ms = database.now_ms()
    with database.write() as connection:
        runs.cancel(connection, run_id, now_ms)

    def possible_ticks(row: Row[Any]) -> int | None:
        return doubt.possible_ticks(row.model, row.prompt_tokens, row.output_tokens_max, now_ms, pricing)

    def some(connection: Connection, deltas: Deltas) -> int:
        moved = by_user.cancel(connection, run_id, now_ms, deltas)
        return moved + (by_user.abandon(connection, run_id, now_ms, deltas, possible_ticks) if now else 0)

    by_user.in_chunks(database, some)
    with database.write() as connection:
        closing.close(connection, run_id, now_ms, Deltas(0))
