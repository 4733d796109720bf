"""`runner retry RUN`: make failed, held or cancelled jobs pending again, with another model if wanted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from runner.cli import flag_values, flags, value_types
from runner.cli.printing import print_json, print_notes
from runner.cli.render import text
from runner.cli.render.nights.night_listed import night_command
from runner.cli.render.runs.ending_text import resume_command
from runner.cli.render.runs.live_object import live_object
from runner.cli.render.suggestions import retry_price
from runner.cli.session.actor import read_actor
from runner.cli.session.confirm import confirm
from runner.cli.session.context import existing_database, find_run, read_settings
from runner.cli.session.following.run_state import read_snapshot
from runner.cli.session.jobs import new_model
from runner.cli.session.jobs.choose_jobs import choose_jobs, left_out_line, nothing_chosen
from runner.cli.session.jobs.new_model import NewModel
from runner.cli.session.jobs.recheck import recheck
from runner.cli.session.jobs.retry_choice import chosen_states, is_alone, of_status, without_other_flags
from runner.cli.session.jobs.retry_costs import retry_cost
from runner.cli.session.running import budget_prices
from runner.cli.session.running.given_limits import given_limits
from runner.db.counts import counters
from runner.db.evaluation import night_runs, nights
from runner.db.events import events
from runner.db.events.trail import CommandEvent
from runner.db.jobs import chosen_jobs, models_of_run
from runner.db.moves import user_moves
from runner.db.runs import run_moves
from runner.db.runs.run_snapshot import Part
from runner.engine.runs.cost_bounds import PriceBasis
from runner.rules.errors import UsageError
from runner.rules.event_kinds import EventKind
from runner.rules.states import AT_WORK, JobState, PauseReason, RunState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.cli.flag_values import RetryFlags
    from runner.cli.render.suggestions import RetryCost
    from runner.cli.snapshot import Snapshot
    from runner.db.counts.counters import Deltas
    from runner.db.events.trail import Actor
    from runner.db.jobs.job_selection import JobSelection
    from runner.db.runs.run_row import RunRow
    from runner.db.runs.run_snapshot import RunSnapshot
    from runner.db.session import Database
    from runner.settings import Settings

_IN_FLIGHT: Final = "sent already; the answer is awaited"
_WORDS: Final = {  # of jobs that fit in all but their state
    JobState.PENDING: "sent without a retry; --set-model NAME changes their model",
    JobState.SUBMITTING: _IN_FLIGHT,
    JobState.WAITING: _IN_FLIGHT,
    JobState.COLLECTING: _IN_FLIGHT,
    JobState.SUCCEEDED: "an answer that was kept is not replaced; a file of these lines asks again",
    JobState.FAILED: "--failed chooses them",
    JobState.HELD: "--held chooses them",
    JobState.CANCELLED: "--cancelled chooses them",
}


_HELP: Final = """\
Make jobs of RUN (an id or a name) pending again. Their history stays.

Sending them again may cost again. A run that has ended becomes ready again: `runner start` or the same
`runner run` sends the jobs; `runner eval` those of a night, which gets a new verdict. Jobs that succeeded
are never sent again.

\b
Example, look first, then send again; then another model:
  runner retry reviews --failed --code safety --dry-run
  runner retry reviews --failed --code safety --yes
  runner retry reviews --model grok-3 --set-model grok-4.3 --yes
  runner start reviews
Example, rows of a labeled table whose answers do not fit: check these again, then ask for others:
  runner retry reviews --status invalid --judge --repair
  runner retry reviews --status invalid --yes
"""


@click.command("retry", short_help="Send failed or held jobs of a run again.", help=_HELP)
@flags.run_argument
@click.option("--failed", is_flag=True, help="Jobs that failed.")
@click.option("--held", is_flag=True, help="Jobs that are held and wait for your decision.")
@click.option("--lost", is_flag=True, help="Held jobs whose answer is gone or has expired.")
@click.option("--cancelled", is_flag=True, help="Jobs that were cancelled.")
@click.option(
    "--status", metavar="STATUS", help="Rows of a labeled table: invalid, failed, held or cancelled."
)
@flags.selection_flags
@click.option(
    "--set-model",
    type=value_types.ModelName(),
    help="Send the chosen jobs with this model, pending ones too. Alone: those whose model the API refused.",
)
@click.option(
    "--judge",
    "is_recheck",
    is_flag=True,
    help="Check the stored answers of invalid rows again, and send nothing.",
)
@click.option(
    "--repair/--no-repair",
    default=None,
    help="With --judge: from now on take the only object out of an answer with words around, or do not.",
)
@flags.reason_flag
@flags.dry_run_flag
@flags.yes_flag
@flags.json_flag
@flags.quiet_flag
def command(
    run: str,
    *,
    set_model: str | None,
    is_recheck: bool,
    repair: bool | None,
    reason: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Make jobs of RUN (an id or a name) pending again. Their history stays."""
    typed, is_quiet = flag_values.RetryFlags(**given), quiet or as_json
    if is_recheck or repair is not None:
        without_other_flags(typed, set_model, is_recheck=is_recheck)
        recheck(run, repair=repair, reason=reason, dry_run=dry_run, as_json=as_json, is_quiet=is_quiet)
        return
    states = chosen_states(typed, set_model)
    settings = read_settings()
    with existing_database(settings) as database:
        plan = _plan(settings, database, run, typed, states, set_model)
        print_notes(plan.notes, is_quiet=is_quiet)
        question = _question(plan.run, plan.cost, set_model, as_json=as_json)
        if not confirm(question, yes=yes, dry_run=dry_run, as_json=as_json):
            return
        moved = _retry(database, read_actor(settings, reason), plan)
        snapshot = read_snapshot(settings, database, plan.run.id, Part.OBJECT)
        if as_json:
            print_json(live_object(snapshot))
        to_send = _sending_command(database, snapshot.stored)
        print_notes(_lines(snapshot, moved, set_model, to_send), is_quiet=is_quiet)


class _RetryPlan(NamedTuple):
    """What is to be sent again, with which model if with another; `notes` are printed before the question."""

    run: RunRow
    selection: JobSelection
    cost: RetryCost
    notes: list[str]
    model: NewModel | None = None


def _plan(
    settings: Settings,
    database: Database,
    run: str,
    typed: RetryFlags,
    states: frozenset[JobState],
    set_model: str | None,
) -> _RetryPlan:
    """Return what the flags ask for. Raises UsageError if there is no such job."""
    with database.read() as connection:
        found = find_run(connection, run)
        chosen = of_status(choose_jobs(connection, found, states, typed, lost=typed.lost), typed.status)
        chosen = _of_refused_models(connection, found.id, chosen) if is_alone(typed) else chosen
        price_basis = PriceBasis.of(settings.base_url, settings.prices, counters.read(connection, found.id))
        groups = chosen_jobs.matching_groups(connection, found.id, chosen)
        cost = retry_cost(groups, database.now_ms(), price_basis)
        if found.state is RunState.LOADING or not cost.jobs:
            raise nothing_chosen(connection, found, chosen, _WORDS)
        note = left_out_line(connection, found.id, chosen)
    if set_model is None:
        return _RetryPlan(found, chosen, cost, [note])
    if found.options.budget_ticks is not None:
        budget_prices.require_prices_of(database, settings, [set_model])
    model = NewModel(name=set_model, limits=given_limits(settings, found.options.rpm, found.options.tpm))
    change = new_model.plan(database, found, chosen, model, price_basis)
    return _RetryPlan(found, chosen, change.cost, [note, *change.lines(set_model, found.unit)], model)


def _sending_command(database: Database, stored: RunSnapshot) -> str:
    """Return the command that sends what is pending; that of a night decides it again as well."""
    run = stored.run
    with database.read() as connection:
        measured = night_runs.read(connection).get(run.id)
        night = None if measured is None else nights.find_by_name(connection, measured.night)
    if night is None:
        is_at_budget = run.state is RunState.PAUSED and run.pause_reason == PauseReason.BUDGET
        return resume_command(stored) if is_at_budget else f"runner start {run.id}"
    return night_command(night.occasion)


def _lines(snapshot: Snapshot, n: int, set_model: str | None, to_send: str) -> list[str]:
    """Return what is to be known after `n` jobs became pending."""
    run = snapshot.run
    if not n:
        return [f"no {run.unit} of run {run.id} is left to send again: another command was faster"]
    sent = f"{text.count(n, run.unit)} of run {run.id} will be sent again{_with(set_model)}"
    is_at_work = run.state in AT_WORK
    return [sent] if is_at_work else [sent, f"to send them: {to_send}"]


def _of_refused_models(connection: Connection, run_id: int, chosen: JobSelection) -> JobSelection:
    """Narrow a choice to the models that the API refused. Raises UsageError if there is none."""
    models = models_of_run.refused(connection, run_id, of_pending=True)
    if not models:
        raise UsageError(
            f"the API has refused no model of run {run_id}, so --set-model needs to know which jobs",
            fix="add --model NAME, --held, --failed, --code CODE or --id ID",
        )
    return replace(chosen, models=tuple(models))


def _question(run: RunRow, cost: RetryCost, set_model: str | None, *, as_json: bool) -> str:
    again = "anew" if as_json else "again"  # the text of `would` in the JSON is frozen
    jobs, price = text.count(cost.jobs, run.unit), retry_price(cost)
    return f"send {jobs} of run {run.id} {again}{_with(set_model)}, about {price}"


def _with(set_model: str | None) -> str:
    return "" if set_model is None else f" with {set_model}"


def _retry(database: Database, actor: Actor, plan: _RetryPlan) -> int:
    """Make the chosen jobs pending; return how many: another command may have moved some of them since."""
    run, now_ms = plan.run, database.now_ms()
    begun = user_moves.JobsEvent(event=_event(actor, run, plan.model), kind=EventKind.RETRIED, at_ms=now_ms)
    if plan.model is not None:
        return new_model.send_again(database, begun, run, plan.selection, plan.model)

    def retry_some(after: int | None, connection: Connection, deltas: Deltas) -> user_moves.Walked:
        walked = user_moves.retry(connection, run.id, plan.selection, now_ms, deltas, after=after)
        if walked.moved:
            run_moves.reopen(connection, run.id, now_ms, record=events.record_nothing)
        return walked

    return user_moves.walk_in_chunks(database, begun, retry_some).moved


def _event(actor: Actor, run: RunRow, model: NewModel | None) -> CommandEvent:
    """Return the event of a retry before its first chunk, with what it changes beside the jobs."""
    event = CommandEvent(actor=actor, run_id=run.id, new={} if model is None else {"model": model.name})
    if not run.is_over:
        return event
    return replace(event, old={"state": run.state}, new={"state": RunState.READY, **event.new})
