"""The moves of jobs with their attempts, one function for each event of `rules.states`: guarded UPDATEs.

Every function returns the ids of the jobs that it moved. A job that is missing there was moved by another
process before; that is normal and no error. What a result does to its job stands in `result_moves`, what a
user asks for in `user_moves`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from runner.db.counts import result_costs
from runner.db.counts.counters import Deltas
from runner.db.jobs.job_ids import run_of
from runner.db.moves import attempts, guarded_update
from runner.db.moves.guarded_update import GuardedUpdate, MoveRow
from runner.rules.costs.uncertain_cost import with_reserved_floor
from runner.rules.states import FINAL, Event, JobState

if TYPE_CHECKING:
    from runner.db.moves.outcomes import Accepted, PollAgain, Requeue
    from runner.db.workers.leases import Lease

MoveFunction = Callable[[Connection, Sequence[Any], Deltas], set[int]]

_EXTRA_EVENTS = frozenset({Event.AMBIGUOUS, Event.LOST, Event.GENERATION_FAILED, Event.UNUSABLE})


def send(
    connection: Connection,
    leases: Sequence[Lease],
    *,
    worker: int,
    now_ms: int,
    until_ms: int,
    deltas: Deltas,
    slots: Mapping[int, str] = MappingProxyType({}),
    reserves: Mapping[int, int | None] = MappingProxyType({}),
) -> set[int]:
    """Move leased jobs to submitting, under leases until `until_ms`, and record their attempts.

    `slots` are the names of the limiter's slots by job id: the worker that fetches the result returns the
    unused tokens of the slot. `reserves` are the ticks that the attempts reserve, by job id.
    """
    moves = [
        MoveRow(
            lease.job_id,
            JobState.SUBMITTING,
            lease.gen,
            lease_until_ms=until_ms,
            reserved_ticks=reserves.get(lease.job_id),
        )
        for lease in leases
    ]
    moved = guarded_update.SEND.run(connection, Event.SEND, moves, deltas)
    attempts.insert(
        connection,
        [lease for lease in leases if lease.job_id in moved],
        worker=worker,
        now_ms=now_ms,
        slots=slots,
        reserves=reserves,
    )
    return set(moved)


def accepted(connection: Connection, rows: Sequence[Accepted], deltas: Deltas) -> set[int]:
    """Move jobs whose attempts were accepted to waiting, with their request ids.

    The attempt gets its request id even where its job has moved on, and stays in the history.
    """
    moves = [
        MoveRow(
            row.lease.job_id,
            JobState.WAITING,
            row.lease.gen,
            due_at_ms=row.due_at_ms,
            accepted_at_ms=row.accepted_at_ms,
            request_id=row.request_id,
        )
        for row in rows
    ]
    moved = guarded_update.ACCEPTED.run(connection, Event.ACCEPTED, moves, deltas)
    first = attempts.record_accepted(
        connection,
        [(r.lease.job_id, r.lease.attempt, r.request_id, r.sent_at_ms, r.accepted_at_ms) for r in rows],
    )
    for job_id in first:
        deltas.add(run_of(job_id), "attempts", "accepted")
    return set(moved)


def not_sent(connection: Connection, rows: Sequence[Requeue], deltas: Deltas) -> set[int]:
    """Requeue jobs whose requests certainly never left: nothing was spent."""
    return set(_requeue(connection, guarded_update.NOT_SENT, Event.NOT_SENT, rows, deltas))


def refused_for_now(connection: Connection, rows: Sequence[Requeue], deltas: Deltas) -> set[int]:
    """Requeue jobs that the API refused for now: no attempt is spent (429, 503), or one (409, 425, 499)."""
    moved = _requeue(connection, guarded_update.REFUSED_FOR_NOW, Event.REFUSED_FOR_NOW, rows, deltas)
    for job_id, model in moved.items():
        deltas.add(run_of(job_id), "attempts", "refused_for_now", model=model)
    return set(moved)


def refused(connection: Connection, rows: Sequence[Requeue], deltas: Deltas) -> set[int]:
    """Fail jobs that the API refused for their own fault; `uncertain` may have a fee for the refusal.

    A job whose model is refused is held instead, and no attempt is spent.
    """
    return set(_requeue(connection, guarded_update.REFUSED, Event.REFUSED, rows, deltas, spent=1))


def withheld(connection: Connection, rows: Sequence[Requeue], deltas: Deltas) -> set[int]:
    """Hold leased jobs that are not sent, since their model was refused before in this run."""
    return set(_requeue(connection, guarded_update.WITHHELD, Event.WITHHELD, rows, deltas))


def withheld_recorded(connection: Connection, rows: Sequence[Requeue], deltas: Deltas) -> set[int]:
    """Hold jobs, as `withheld`, whose attempts are on record; not those that were reclaimed since."""
    sources = (JobState.SUBMITTING,)
    return set(_requeue(connection, guarded_update.WITHHELD, Event.WITHHELD, rows, deltas, sources=sources))


def ambiguous(connection: Connection, rows: Sequence[Requeue], deltas: Deltas) -> set[int]:
    """Requeue or hold jobs whose requests have an unknown outcome: extras, with their possible cost."""
    return _requeue_as_extra(connection, guarded_update.AMBIGUOUS, Event.AMBIGUOUS, rows, deltas)


def lost(connection: Connection, rows: Sequence[Requeue], deltas: Deltas) -> set[int]:
    """Requeue or hold jobs whose results are gone: extras, with their possible cost."""
    return _requeue_as_extra(connection, guarded_update.LOST, Event.LOST, rows, deltas)


def generation_failed(connection: Connection, rows: Sequence[Requeue], deltas: Deltas) -> set[int]:
    """Requeue or fail jobs whose generation failed: an attempt is spent; a requeue makes it an extra."""
    moved = _requeue(connection, guarded_update.FETCH_FAILED, Event.GENERATION_FAILED, rows, deltas, spent=1)
    for row in rows:
        if row.lease.job_id in moved and row.target is JobState.PENDING:
            deltas.add(row.lease.run_id, "extra", Event.GENERATION_FAILED)
    return set(moved)


def not_ready(connection: Connection, rows: Sequence[PollAgain], deltas: Deltas) -> set[int]:
    """Move jobs back to waiting whose results are not generated yet (202)."""
    return _poll_again(connection, guarded_update.NOT_READY, Event.NOT_READY, rows, deltas)


def later(connection: Connection, rows: Sequence[PollAgain], deltas: Deltas) -> set[int]:
    """Move jobs back to waiting whose fetches failed for now (429, 5xx, connection) or were not made."""
    return _poll_again(connection, guarded_update.LATER, Event.LATER, rows, deltas)


def unreadable(connection: Connection, rows: Sequence[PollAgain], deltas: Deltas) -> set[int]:
    """Move jobs back to waiting whose fetches brought bytes that are no answer."""
    return _poll_again(connection, guarded_update.LATER, Event.UNREADABLE, rows, deltas)


def unusable(connection: Connection, rows: Sequence[Requeue], deltas: Deltas) -> set[int]:
    """Requeue, fail or hold jobs whose fetches bring the same unreadable bytes for too long."""
    moved = _requeue(connection, guarded_update.FETCH_FAILED, Event.UNUSABLE, rows, deltas, spent=1)
    for row in rows:
        if row.lease.job_id in moved and row.target is not JobState.FAILED:
            deltas.add(row.lease.run_id, "extra", Event.UNUSABLE)
    return set(moved)


def _poll_again(
    connection: Connection, update: GuardedUpdate, event: Event, rows: Sequence[PollAgain], deltas: Deltas
) -> set[int]:
    moves = [
        MoveRow(
            row.lease.job_id,
            JobState.WAITING,
            row.lease.gen,
            due_at_ms=row.due_at_ms,
            misses=row.misses,
            unasked=int(not row.was_asked),
            interrupted_at_ms=row.interrupted_at_ms,
        )
        for row in rows
    ]
    moved = update.run(connection, event, moves, deltas)
    for row in rows:
        if row.lease.job_id in moved and not row.was_asked:  # the claim has counted a poll
            deltas.add(row.lease.run_id, "attempts", "polls", -1, model=moved[row.lease.job_id])
    return set(moved)


def _requeue(
    connection: Connection,
    update: GuardedUpdate,
    event: Event,
    rows: Sequence[Requeue],
    deltas: Deltas,
    *,
    spent: int = 0,
    sources: Sequence[JobState] = (),
) -> dict[int, str]:
    """Move jobs whose attempts ended without a result; return those that moved, with their models."""
    moves = [
        MoveRow(
            row.lease.job_id,
            row.target,
            row.lease.gen,
            due_at_ms=row.due_at_ms,
            finished_at_ms=row.at_ms if row.target in FINAL else None,
            error_code=row.cause.code if row.target is not JobState.PENDING else None,
            spent=row.spent + (0 if row.target is JobState.HELD else spent),
            extras=int(event in _EXTRA_EVENTS and row.target is not JobState.FAILED),
        )
        for row in rows
    ]
    moved = update.run(connection, event, moves, deltas, sources)
    ended = [row for row in rows if row.lease.job_id in moved]
    if event in _EXTRA_EVENTS:
        ended = _with_reserved_floor(connection, ended)
    attempts.record_ended(connection, event, ended)
    _count_costs(event, ended, moved, deltas)
    return moved


def _count_costs(event: Event, rows: Sequence[Requeue], models: Mapping[int, str], deltas: Deltas) -> None:
    """Count what ended attempts may have cost, and the codes of failed jobs. `models` are by job."""
    is_extra = event in _EXTRA_EVENTS
    count_cost = result_costs.count_uncertain_cost if is_extra else result_costs.count_refusal
    for row in rows:
        count_cost(row.lease.run_id, row.uncertain, deltas, model=models[row.lease.job_id])
        if row.target is JobState.FAILED:
            deltas.add(row.lease.run_id, "code", row.cause.code)


def _with_reserved_floor(connection: Connection, rows: Sequence[Requeue]) -> list[Requeue]:
    """Return the rows with upper bounds raised to the reserved ticks of their attempts."""
    reserved = attempts.reserved_ticks(connection, [(row.lease.job_id, row.lease.attempt) for row in rows])
    return [
        replace(row, uncertain=with_reserved_floor(row.uncertain, reserved.get(row.lease.job_id)))
        for row in rows
    ]


def _requeue_as_extra(
    connection: Connection, update: GuardedUpdate, event: Event, rows: Sequence[Requeue], deltas: Deltas
) -> set[int]:
    moved = _requeue(connection, update, event, rows, deltas)
    for row in rows:
        if row.lease.job_id in moved:
            deltas.add(row.lease.run_id, "extra", event)
    return set(moved)
