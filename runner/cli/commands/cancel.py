"""`runner cancel RUN`: end a run, or some of its jobs; nothing more of them is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from runner.cli import flag_values, flags
from runner.cli.printing import print_json, print_notes
from runner.cli.render import text
from runner.cli.render.runs.ending_text import done_text, outstanding_lines, worker_command
from runner.cli.render.runs.live_object import live_object
from runner.cli.session.actor import read_actor
from runner.cli.session.confirm import confirm
from runner.cli.session.context import existing_database, find_working_run, read_settings
from runner.cli.session.following.run_state import read_snapshot, snapshot_of
from runner.cli.session.jobs.choose_jobs import choose_jobs, left_out_line, nothing_chosen
from runner.db.counts.counters import Deltas
from runner.db.events import events
from runner.db.events.trail import CommandEvent
from runner.db.jobs import chosen_jobs
from runner.db.moves import user_moves
from runner.db.runs import run_moves
from runner.db.runs.run_snapshot import Part
from runner.engine.runs import cost_bounds, run_completion
from runner.rules.errors import UsageError
from runner.rules.event_kinds import EventKind
from runner.rules.states import AT_WORK, FINAL, JobState, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row

    from runner.cli.flag_values import JobFilter
    from runner.cli.snapshot import Snapshot
    from runner.db.events.trail import Actor
    from runner.db.jobs.job_selection import JobSelection
    from runner.db.runs.run_row import RunRow
    from runner.db.session import Database
    from runner.engine.runs.cost_bounds import PriceBasis
    from runner.rules.costs.uncertain_cost import UncertainCost

_WORDS: Final = {  # of jobs that fit in all but their state
    **dict.fromkeys(FINAL, "ended already"),
    **dict.fromkeys((JobState.SUBMITTING, JobState.STORED), "sent already; the answer is collected"),
    **dict.fromkeys(user_moves.ABANDONABLE.states, "sent already; --now abandons the answer"),
}


_HELP: Final = """\
End RUN (an id or a name): jobs that were not sent, or are held, are cancelled.

With --id, --model, --code or --flaw only such jobs are, and the run goes on. Accepted requests are
still collected, because they are paid; --now abandons them. `runner retry RUN --cancelled` makes the
cancelled jobs pending again.

\b
Example, look first; then only two jobs:
  runner cancel reviews --dry-run
  runner cancel reviews --yes
  runner cancel reviews --id r-4 --id r-9 --yes
"""


@click.command("cancel", short_help="End a run: nothing more is sent.", help=_HELP)
@flags.run_argument
@flags.selection_flags
@click.option(
    "--now", is_flag=True, help="Also abandon answers that are not collected yet; they may be billed."
)
@flags.reason_flag
@flags.dry_run_flag
@flags.yes_flag
@flags.json_flag
@flags.quiet_flag
def command(
    run: str,
    *,
    now: bool,
    reason: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """End RUN (an id or a name): jobs that were not sent, or are held, are cancelled."""
    typed = flag_values.JobFilter(**given)
    settings, is_quiet = read_settings(), quiet or as_json
    with existing_database(settings) as database:
        with database.read() as connection:
            found = find_working_run(connection, run)
            snapshot = snapshot_of(settings, connection, found.id)
        plan = _plan(database, snapshot, typed, now=now)
        print_notes([plan.note], is_quiet=is_quiet)
        if not confirm(plan.question, yes=yes, dry_run=dry_run, as_json=as_json):
            return
        price_basis = cost_bounds.PriceBasis.of(settings.base_url, settings.prices, snapshot.counts)
        cancelled = _cancel(database, read_actor(settings, reason), found, price_basis, plan)
        snapshot = read_snapshot(settings, database, found.id, Part.OBJECT)
        if as_json:
            print_json(live_object(snapshot))
        lines = cancelled_lines(snapshot) if plan.is_whole else _lines_of_some(snapshot, cancelled)
        print_notes(lines, is_quiet=is_quiet)


class _CancelPlan(NamedTuple):
    """What is to be cancelled: these jobs, or a whole run. `note` is printed before the question."""

    selection: JobSelection
    is_whole: bool
    question: str
    note: str = ""


def _plan(database: Database, snapshot: Snapshot, typed: JobFilter, *, now: bool) -> _CancelPlan:
    """Return what the flags ask for. Raises UsageError if there is nothing to cancel."""
    run = snapshot.run
    if run.state is RunState.LOADING or (run.is_over and not typed.is_given):
        raise UsageError(f"run {run.id} is {run.state}: there is nothing to cancel")
    states = user_moves.CANCELLABLE.states | (user_moves.ABANDONABLE.states if now else frozenset())
    with database.read() as connection:
        selection = choose_jobs(connection, run, states, typed)
        if not typed.is_given:
            return _CancelPlan(selection, is_whole=True, question=_question(snapshot, now=now))
        chosen = chosen_jobs.count_by_state(connection, run.id, selection)
        if not chosen:
            raise nothing_chosen(connection, run, selection, _WORDS)
        note = left_out_line(connection, run.id, selection)
    return _CancelPlan(selection, is_whole=False, question=_question_of_some(run, chosen), note=note)


def cancelled_lines(snapshot: Snapshot) -> list[str]:
    """Return what is to be known after a whole run was cancelled."""
    run = snapshot.run
    collected = f"accepted requests are still collected while a worker runs: {worker_command(snapshot)}"
    return [
        f"run {run.id} is cancelled: {done_text(snapshot)}",
        *outstanding_lines(snapshot),
        "" if run.is_over else collected,
    ]


def _lines_of_some(snapshot: Snapshot, cancelled: int) -> list[str]:
    """Return what is to be known after some jobs of a run were cancelled."""
    run = snapshot.run
    lines = [f"{text.count(cancelled, run.unit)} of run {run.id} cancelled: {done_text(snapshot)}"]
    if run.is_over:
        return [*lines, f"to write its files again: runner write {run.id}"]
    is_at_work = run.state in AT_WORK
    return lines if is_at_work else [*lines, f"to send the others: runner start {run.id}"]


def _question_of_some(run: RunRow, chosen: Mapping[JobState, int]) -> str:
    abandoned = sum(n for state, n in chosen.items() if state in user_moves.ABANDONABLE.states)
    ended = text.count(sum(chosen.values()) - abandoned, run.unit)
    out = f" and abandon {text.count(abandoned, 'answer')}" if abandoned else ""
    return f"cancel {ended} of run {run.id}{out}"


def _question(snapshot: Snapshot, *, now: bool) -> str:
    ended = text.count(snapshot.jobs(JobState.PENDING, JobState.HELD), snapshot.run.unit)
    if not snapshot.outstanding:
        return f"cancel {ended} of run {snapshot.run.id}"
    verb, out = "abandon" if now else "still collect", text.count(snapshot.outstanding, "answer")
    return f"cancel {ended} of run {snapshot.run.id} and {verb} {out} that are out"


def _cancel(database: Database, actor: Actor, run: RunRow, price_basis: PriceBasis, plan: _CancelPlan) -> int:
    """Cancel the chosen jobs, and the run if it is the whole; return how many jobs."""
    now_ms, event = database.now_ms(), CommandEvent(actor=actor, run_id=run.id)
    kind = EventKind.JOBS_CANCELLED
    if plan.is_whole:
        with database.write() as connection:
            if run_moves.cancel(connection, run.id, now_ms, record=events.record_nothing):
                kind, old, new = EventKind.CANCELLED, {"state": run.state}, {"state": RunState.CANCELLED}
                event = event.extended(connection, now_ms, kind, old=old, new=new)

    def cost_of(row: Row[Any]) -> UncertainCost | None:
        return cost_bounds.uncertain_cost(
            row.model, row.prompt_tokens, row.output_tokens_max, now_ms, price_basis
        )

    def cancel_some(connection: Connection, deltas: Deltas) -> int:
        moved = user_moves.cancel(connection, run.id, now_ms, deltas, selection=plan.selection)
        return moved + user_moves.abandon(
            connection, run.id, now_ms, deltas, cost_of, selection=plan.selection
        )

    begun = user_moves.JobsEvent(event=event, kind=kind, at_ms=now_ms)
    cancelled = user_moves.move_in_chunks(database, begun, cancel_some).moved
    with database.write() as connection:
        run_completion.complete_if_done(connection, run.id, now_ms, Deltas(0), price_basis)
    return cancelled
