"""The moves of jobs: one function a transition of `rules.states`, each a guarded UPDATE for many rows.

Every function returns the ids of the jobs that really moved. A job that is missing there was moved by
somebody else before; that is a normal answer and no error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from runner.db import attempts, bulk, collected, results
from runner.db.counters import Deltas
from runner.db.job_ids import run_of
from runner.rules.budget import RESERVES, at_least
from runner.rules.errors import Bug
from runner.rules.states import FINAL, TRANSITIONS, Event, JobState

if TYPE_CHECKING:
    from runner.db.leases import Lease
    from runner.db.outcomes import Accepted, Back, NotYet, Settled
    from runner.db.results import Received


@dataclass(slots=True)
class _Move:
    """One row of a guarded UPDATE."""

    job_id: int
    target: JobState
    gen: int = 0
    due_at_ms: int = 0
    at_ms: int | None = None
    code: str | None = None
    request_id: str | None = None
    misses: int = 0
    unasked: int = 0
    spent: int = 0
    extra: int = 0
    answered_by: int | None = None
    reserve: int | None = None
    finished_at_ms: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.finished_at_ms = self.at_ms if self.target in FINAL else None


Move = Callable[[Connection, Sequence[Any], Deltas], set[int]]

_COLUMNS = {  # of `v`: the type, and where a move has the value
    "id": ("BIGINT", "job_id"),
    "gen": ("INT", "gen"),
    "target": ("TEXT", "target.value"),
    "due": ("BIGINT", "due_at_ms"),
    "finished": ("BIGINT", "finished_at_ms"),
    "code": ("TEXT", "code"),
    "request_id": ("TEXT", "request_id"),
    "at": ("BIGINT", "at_ms"),
    "misses": ("INT", "misses"),
    "unasked": ("INT", "unasked"),
    "spent": ("INT", "spent"),
    "extra": ("INT", "extra"),
    "answered_by": ("INT", "answered_by"),
    "reserve": ("BIGINT", "reserve"),
}
_EXTRAS = frozenset({Event.AMBIGUOUS, Event.LOST, Event.GENERATION_FAILED})
_NEWLY_STORED = "lease_gen = lease_gen + 1, settle_tries = 0"
_LOOK_IN_TURN = sorted(JobState, key=lambda state: state is not JobState.COLLECTING)  # most answers' jobs
_FREE = "state = v.target, lease_owner = NULL, lease_until_ms = NULL"


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
    """Mark leased jobs as being sent, under leases until `until_ms`, and put their attempts on record.

    `slots` are the limiter's, by job: whoever brings the answer settles what it really used. `reserves`
    are the ticks by job that the attempts reserve.
    """
    moves = [
        _Move(lease.job_id, JobState.SUBMITTING, lease.gen, reserve=reserves.get(lease.job_id))
        for lease in leases
    ]
    moved = _guarded(
        connection,
        Event.SEND,
        moves,
        "state = v.target, attempt = jobs.attempt + 1, polls = 0, misses = 0, request_id = NULL,"
        f" accepted_at_ms = NULL, reserved_ticks = v.reserve, lease_until_ms = {int(until_ms)}",
        deltas,
    )
    attempts.open_(
        connection,
        [lease for lease in leases if lease.job_id in moved],
        worker=worker,
        now_ms=now_ms,
        slots=slots,
        reserves=reserves,
    )
    return moved


def accepted(connection: Connection, rows: Sequence[Accepted], deltas: Deltas) -> set[int]:
    """The API gave request ids: the jobs wait for their answers.

    The attempt is accepted even where the job has moved on: its id stays in the history.
    """
    moves = [
        _Move(
            row.lease.job_id,
            JobState.WAITING,
            row.lease.gen,
            due_at_ms=row.due_at_ms,
            at_ms=row.accepted_at_ms,
            request_id=row.request_id,
        )
        for row in rows
    ]
    moved = _guarded(
        connection,
        Event.ACCEPTED,
        moves,
        f"{_FREE}, request_id = v.request_id, accepted_at_ms = v.at, due_at_ms = v.due",
        deltas,
    )
    first = attempts.accepted(
        connection,
        [(r.lease.job_id, r.lease.attempt, r.request_id, r.sent_at_ms, r.accepted_at_ms) for r in rows],
    )
    for job_id in first:
        deltas.add(run_of(job_id), "attempts", "accepted")
    return moved


def not_sent(connection: Connection, rows: Sequence[Back], deltas: Deltas) -> set[int]:
    """The POSTs surely never left: the jobs are pending again and nothing was spent."""
    return _back(connection, Event.NOT_SENT, rows, deltas)


def refused_for_now(connection: Connection, rows: Sequence[Back], deltas: Deltas) -> set[int]:
    """The API said later: the jobs are pending again and no attempt is spent."""
    moved = _back(connection, Event.REFUSED_FOR_NOW, rows, deltas)
    for job_id in moved:
        deltas.add(run_of(job_id), "attempts", "refused_for_now")
    return moved


def refused(connection: Connection, rows: Sequence[Back], deltas: Deltas) -> set[int]:
    """The API refused the jobs for their own fault: they have failed; some refusals may cost a fee."""
    return _back(connection, Event.REFUSED, rows, deltas, spent=1)


def ambiguous(connection: Connection, rows: Sequence[Back], deltas: Deltas) -> set[int]:
    """Nobody can know whether the POSTs arrived: counted as extras, with what they may have cost."""
    return _extra(connection, Event.AMBIGUOUS, rows, deltas)


def lost(connection: Connection, rows: Sequence[Back], deltas: Deltas) -> set[int]:
    """The answers are gone: counted as extras, with what they may have cost."""
    return _extra(connection, Event.LOST, rows, deltas)


def generation_failed(connection: Connection, rows: Sequence[Back], deltas: Deltas) -> set[int]:
    """A fetch was told that the generation failed: an attempt is spent; another one is an extra."""
    moved = _back(connection, Event.GENERATION_FAILED, rows, deltas, spent=1)
    for row in rows:
        if row.lease.job_id in moved and row.target is JobState.PENDING:
            deltas.add(row.lease.run_id, "extra", Event.GENERATION_FAILED)
    return moved


def not_ready(connection: Connection, rows: Sequence[NotYet], deltas: Deltas) -> set[int]:
    """202: the answers are not generated yet; the jobs wait on."""
    return _not_yet(connection, Event.NOT_READY, rows, deltas)


def later(connection: Connection, rows: Sequence[NotYet], deltas: Deltas) -> set[int]:
    """Fetches came to nothing for now: the jobs wait on."""
    return _not_yet(connection, Event.LATER, rows, deltas)


def stored(connection: Connection, answers: Sequence[Received], deltas: Deltas) -> set[int]:
    """Keep answers; their jobs, wherever they are, are stored.

    An answer that was kept before moves nothing: it was judged then, and its job may be on its way again.
    """
    new = results.insert(connection, answers)
    moves = [_Move(job_id, JobState.STORED, answered_by=attempt) for job_id, attempt in sorted(new)]
    return _guarded(
        connection,
        Event.STORED,
        moves,
        f"{_FREE}, answered_by = v.answered_by, finished_at_ms = NULL, {_NEWLY_STORED}",
        deltas,
    )


def answered(
    connection: Connection, answers: Sequence[tuple[Received, Settled]], deltas: Deltas
) -> set[tuple[int, int]]:
    """Keep answers that were judged at once: the moves `stored` and `settled` as one.

    Return the (job, attempt) that moved their jobs: an answer that was kept before does not, nor does
    another one of the same job.
    """
    new = results.insert(connection, [received for received, _ in answers])
    first: dict[int, Settled] = {}
    for _, row in answers:
        if (row.job_id, row.attempt) in new:
            first.setdefault(row.job_id, row)
    moved = _judged(connection, list(first.values()), deltas, by_way_of=Event.STORED)
    return {(job_id, first[job_id].attempt) for job_id in moved}


def settled(connection: Connection, rows: Sequence[Settled], deltas: Deltas) -> set[int]:
    """Stored answers were judged: the jobs end, or go again. Costs are counted either way.

    A verdict on another answer than the one that is stored now comes too late and moves nothing.
    """
    return _judged(connection, rows, deltas, only="jobs.answered_by = v.answered_by")


def _judged(
    connection: Connection,
    rows: Sequence[Settled],
    deltas: Deltas,
    *,
    only: str = "",
    by_way_of: Event | None = None,
) -> set[int]:
    change = (
        f"{_FREE}, due_at_ms = v.due, finished_at_ms = v.finished, error_code = v.code,"
        " spent = jobs.spent + v.spent, extras = jobs.extras + v.extra,"
        " answered_by = CASE WHEN v.finished IS NULL THEN NULL ELSE v.answered_by END"
    )
    if by_way_of is Event.STORED:
        change += f", {_NEWLY_STORED}"
    moved: set[int] = set()
    for event in (Event.SUCCEEDED, Event.UNUSABLE, Event.GENERATION_FAILED):
        moves = [
            _Move(
                row.job_id,
                row.target,
                due_at_ms=row.due_at_ms,
                at_ms=row.at_ms,
                code=row.cause.code if row.cause else None,
                spent=1,
                extra=int(row.target in (JobState.PENDING, JobState.HELD)),
                answered_by=row.attempt,
            )
            for row in rows
            if row.event is event
        ]
        moved |= _guarded(connection, event, moves, change, deltas, only, by_way_of)
    ended = collected.covered(connection, [row for row in rows if row.job_id in moved], deltas)
    attempts.settled(connection, ended)
    for row in ended:
        collected.count(row, deltas)
    return moved


def _not_yet(connection: Connection, event: Event, rows: Sequence[NotYet], deltas: Deltas) -> set[int]:
    moves = [
        _Move(
            row.lease.job_id,
            JobState.WAITING,
            row.lease.gen,
            due_at_ms=row.due_at_ms,
            misses=row.misses,
            unasked=int(not row.asked),
        )
        for row in rows
    ]
    change = f"{_FREE}, due_at_ms = v.due, misses = v.misses, polls = jobs.polls - v.unasked"
    moved = _guarded(connection, event, moves, change, deltas)
    for row in rows:
        if row.lease.job_id in moved and not row.asked:  # the claim had counted it
            deltas.add(row.lease.run_id, "attempts", "polls", -1)
    return moved


def _back(
    connection: Connection, event: Event, rows: Sequence[Back], deltas: Deltas, *, spent: int = 0
) -> set[int]:
    moves = [
        _Move(
            row.lease.job_id,
            row.target,
            row.lease.gen,
            due_at_ms=row.due_at_ms,
            at_ms=row.at_ms,
            code=row.cause.code if row.target is not JobState.PENDING else None,
            spent=spent,
            extra=int(event in _EXTRAS and row.target is not JobState.FAILED),
        )
        for row in rows
    ]
    moved = _guarded(
        connection,
        event,
        moves,
        f"{_FREE}, due_at_ms = v.due, finished_at_ms = v.finished, error_code = v.code,"
        " spent = jobs.spent + v.spent, extras = jobs.extras + v.extra",
        deltas,
    )
    gone = [row for row in rows if row.lease.job_id in moved]
    if event in _EXTRAS:
        gone = _covered(connection, gone)
    attempts.ended(connection, event, gone)
    for row in gone:
        collected.count_possible(row.lease.run_id, row.possible_ticks, deltas)
        if row.target is JobState.FAILED:
            deltas.add(row.lease.run_id, "code", row.cause.code)
    return moved


def _covered(connection: Connection, rows: Sequence[Back]) -> list[Back]:
    """Raise what attempts may have cost to what they had reserved."""
    reserved = attempts.reserved(connection, [(row.lease.job_id, row.lease.attempt) for row in rows])
    return [
        replace(row, possible_ticks=at_least(row.possible_ticks, reserved.get(row.lease.job_id)))
        for row in rows
    ]


def _extra(connection: Connection, event: Event, rows: Sequence[Back], deltas: Deltas) -> set[int]:
    moved = _back(connection, event, rows, deltas)
    for row in rows:
        if row.lease.job_id in moved:
            deltas.add(row.lease.run_id, "extra", event)
    return moved


def _guarded(
    connection: Connection,
    event: Event,
    moves: Sequence[_Move],
    change: str,
    deltas: Deltas,
    only: str = "",
    by_way_of: Event | None = None,
) -> set[int]:
    """Move rows along one transition of the table, if they still stand at its start (and lease).

    `only` is a further condition, in SQL; `by_way_of` a transition that is gone along before, unseen.
    """
    if not moves:
        return set()
    transition = TRANSITIONS[event]
    if not {move.target for move in moves} <= transition.targets:
        raise Bug(f"{event} does not lead to {sorted({move.target for move in moves})}")
    moved: set[int] = set()
    start = TRANSITIONS[by_way_of] if by_way_of else transition
    if by_way_of and not start.targets <= transition.sources:
        raise Bug(f"{by_way_of} does not lead to {event}")
    for source in sorted(start.sources, key=_LOOK_IN_TURN.index):
        guards = [
            bulk.unindexed("jobs.state", source),
            "jobs.lease_gen = v.gen" if start.fenced else "",
            only,
        ]
        guard = " AND ".join(filter(None, guards))
        statement = (
            f"UPDATE jobs SET {change} FROM v WHERE jobs.id = v.id AND {guard}"
            " RETURNING jobs.id, jobs.state, jobs.reserved_ticks"
        )
        used = {name: column for name, column in _COLUMNS.items() if f"v.{name}" in statement}
        values = attrgetter(*(attribute for _, attribute in used.values()))
        found = bulk.execute(
            connection,
            [(name, kind) for name, (kind, _) in used.items()],
            [values(move) for move in moves if move.job_id not in moved],
            statement,
        )
        for job_id, target, reserved in (tuple(row) for row in found):
            moved.add(job_id)
            deltas.moved(run_of(job_id), source, target)
            if reserved and (target in RESERVES) != (source in RESERVES):
                deltas.add(run_of(job_id), "ticks", "reserved", reserved if target in RESERVES else -reserved)
        if len(moved) == len(moves):
            break
    return moved
