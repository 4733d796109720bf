"""The moves of jobs: one function for each event of `rules.states`, each a guarded UPDATE of many rows.

Every function returns the ids of the jobs that it moved. A job that is missing there was moved by another
process before; that is normal and no error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from runner.db import attempts, bulk, given_up, result_costs, results
from runner.db.counters import Deltas
from runner.db.job_ids import run_of
from runner.rules.budget import RESERVING_STATES
from runner.rules.errors import Bug
from runner.rules.states import FINAL, TRANSITIONS, Event, JobState, Transition
from runner.rules.uncertain_cost import with_reserved_floor

if TYPE_CHECKING:
    from runner.db.leases import Lease
    from runner.db.outcomes import Accepted, PollAgain, Requeue, Settled
    from runner.db.results import Received


@dataclass(slots=True)
class _MoveRow:
    """The values of one row of a guarded UPDATE; each statement uses some of them."""

    job_id: int
    target: JobState
    gen: int = 0  # of the lease
    due_at_ms: int = 0
    at_ms: int | None = None
    code: str | None = None
    request_id: str | None = None
    misses: int = 0
    unasked: int = 0  # polls that the claim counted and that were not sent
    spent: int = 0  # attempts to add
    extra: int = 0  # extras to add
    answered_by: int | None = None  # the attempt whose result is stored
    reserve: int | None = None  # ticks
    ask_tokens: int = 0  # that asking again adds to the prompt
    finished_at_ms: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.finished_at_ms = self.at_ms if self.target in FINAL else None


MoveFunction = Callable[[Connection, Sequence[Any], Deltas], set[int]]

_COLUMNS = {  # of `v`: the type, and the attribute of _MoveRow with the value
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
    "ask_tokens": ("INT", "ask_tokens"),
}
_EXTRA_EVENTS = frozenset({Event.AMBIGUOUS, Event.LOST, Event.GENERATION_FAILED, Event.UNUSABLE})
_OF_THIS_LEASE = "jobs.lease_gen = v.gen"  # of events that are fenced after a fetch, and not after a result
_CANCELLED = "cancelled"  # the code of a stored job that was cancelled before
_NEW_RESULT = "lease_gen = lease_gen + 1, settle_tries = 0"
# Of several source states the likeliest first: most jobs that get a result are collecting.
_SOURCE_ORDER = sorted(JobState, key=lambda state: state is not JobState.COLLECTING)
_SETTLED_EVENTS = (Event.SUCCEEDED, Event.UNUSABLE, Event.GENERATION_FAILED, Event.INVALID)
# An invalid answer spends no attempt and is no extra; its job may be asked again.
_SPEND = ", spent = jobs.spent + v.spent, extras = jobs.extras + v.extra"
_ASK_AGAIN = (
    f", asks = jobs.asks + CASE WHEN v.target = '{JobState.PENDING}' THEN 1 ELSE 0 END,"
    f" asked_after = CASE WHEN v.target = '{JobState.PENDING}' THEN v.answered_by ELSE jobs.asked_after END,"
    f" ask_tokens = CASE WHEN v.target = '{JobState.PENDING}' THEN v.ask_tokens ELSE jobs.ask_tokens END"
)
_MOVE_AND_RELEASE = "state = v.target, lease_owner = NULL, lease_until_ms = NULL"


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
        _MoveRow(lease.job_id, JobState.SUBMITTING, lease.gen, reserve=reserves.get(lease.job_id))
        for lease in leases
    ]
    moved = _guarded_update(
        connection,
        Event.SEND,
        moves,
        "state = v.target, attempt = jobs.attempt + 1, polls = 0, misses = 0, request_id = NULL,"
        " accepted_at_ms = NULL, interrupted_at_ms = NULL, reserved_ticks = v.reserve,"
        f" lease_until_ms = {int(until_ms)}",
        deltas,
    )
    attempts.insert(
        connection,
        [lease for lease in leases if lease.job_id in moved],
        worker=worker,
        now_ms=now_ms,
        slots=slots,
        reserves=reserves,
    )
    return moved


def accepted(connection: Connection, rows: Sequence[Accepted], deltas: Deltas) -> set[int]:
    """Move jobs whose attempts were accepted to waiting, with their request ids.

    The attempt gets its request id even where its job has moved on, and stays in the history.
    """
    moves = [
        _MoveRow(
            row.lease.job_id,
            JobState.WAITING,
            row.lease.gen,
            due_at_ms=row.due_at_ms,
            at_ms=row.accepted_at_ms,
            request_id=row.request_id,
        )
        for row in rows
    ]
    moved = _guarded_update(
        connection,
        Event.ACCEPTED,
        moves,
        f"{_MOVE_AND_RELEASE}, request_id = v.request_id, accepted_at_ms = v.at, due_at_ms = v.due",
        deltas,
    )
    first = attempts.record_accepted(
        connection,
        [(r.lease.job_id, r.lease.attempt, r.request_id, r.sent_at_ms, r.accepted_at_ms) for r in rows],
    )
    for job_id in first:
        deltas.add(run_of(job_id), "attempts", "accepted")
    return moved


def not_sent(connection: Connection, rows: Sequence[Requeue], deltas: Deltas) -> set[int]:
    """Requeue jobs whose requests certainly never left: nothing was spent."""
    return _requeue(connection, Event.NOT_SENT, rows, deltas)


def refused_for_now(connection: Connection, rows: Sequence[Requeue], deltas: Deltas) -> set[int]:
    """Requeue jobs that the API refused for now: no attempt is spent (429, 503), or one (409, 425, 499)."""
    moved = _requeue(connection, Event.REFUSED_FOR_NOW, rows, deltas)
    for job_id in moved:
        deltas.add(run_of(job_id), "attempts", "refused_for_now")
    return moved


def refused(connection: Connection, rows: Sequence[Requeue], deltas: Deltas) -> set[int]:
    """Fail jobs that the API refused for their own fault; `uncertain` may have a fee for the refusal.

    A job whose model is refused is held instead, and no attempt is spent.
    """
    return _requeue(connection, Event.REFUSED, rows, deltas, spent=1)


def withheld(connection: Connection, rows: Sequence[Requeue], deltas: Deltas) -> set[int]:
    """Hold leased jobs that are not sent, since their model was refused before in this run."""
    return _requeue(connection, Event.WITHHELD, rows, deltas)


def withheld_recorded(connection: Connection, rows: Sequence[Requeue], deltas: Deltas) -> set[int]:
    """Hold jobs, as `withheld`, whose attempts are on record; not those that were reclaimed since."""
    condition = bulk.unindexed("jobs.state", JobState.SUBMITTING)
    return _requeue(connection, Event.WITHHELD, rows, deltas, condition=condition)


def ambiguous(connection: Connection, rows: Sequence[Requeue], deltas: Deltas) -> set[int]:
    """Requeue or hold jobs whose requests have an unknown outcome: extras, with their possible cost."""
    return _requeue_as_extra(connection, Event.AMBIGUOUS, rows, deltas)


def lost(connection: Connection, rows: Sequence[Requeue], deltas: Deltas) -> set[int]:
    """Requeue or hold jobs whose results are gone: extras, with their possible cost."""
    return _requeue_as_extra(connection, Event.LOST, rows, deltas)


def generation_failed(connection: Connection, rows: Sequence[Requeue], deltas: Deltas) -> set[int]:
    """Requeue or fail jobs whose generation failed: an attempt is spent; a requeue makes it an extra."""
    moved = _requeue(connection, Event.GENERATION_FAILED, rows, deltas, spent=1, condition=_OF_THIS_LEASE)
    for row in rows:
        if row.lease.job_id in moved and row.target is JobState.PENDING:
            deltas.add(row.lease.run_id, "extra", Event.GENERATION_FAILED)
    return moved


def not_ready(connection: Connection, rows: Sequence[PollAgain], deltas: Deltas) -> set[int]:
    """Move jobs back to waiting whose results are not generated yet (202)."""
    return _poll_again(connection, Event.NOT_READY, rows, deltas)


def later(connection: Connection, rows: Sequence[PollAgain], deltas: Deltas) -> set[int]:
    """Move jobs back to waiting whose fetches failed for now (429, 5xx, connection) or were not made."""
    return _poll_again(connection, Event.LATER, rows, deltas)


def unreadable(connection: Connection, rows: Sequence[PollAgain], deltas: Deltas) -> set[int]:
    """Move jobs back to waiting whose fetches brought bytes that are no answer."""
    return _poll_again(connection, Event.UNREADABLE, rows, deltas)


def unusable(connection: Connection, rows: Sequence[Requeue], deltas: Deltas) -> set[int]:
    """Requeue, fail or hold jobs whose fetches bring the same unreadable bytes for too long."""
    moved = _requeue(connection, Event.UNUSABLE, rows, deltas, spent=1, condition=_OF_THIS_LEASE)
    for row in rows:
        if row.lease.job_id in moved and row.target is not JobState.FAILED:
            deltas.add(row.lease.run_id, "extra", Event.UNUSABLE)
    return moved


def stored(connection: Connection, answers: Sequence[Received], deltas: Deltas) -> set[int]:
    """Store results and move their jobs to stored, from any source state of the table.

    A result that was stored before moves nothing: it was settled then, and its job may be in flight again.
    That a job was cancelled is kept in its code until it is settled: it is not sent again, whatever the
    answer is.
    """
    _lock(connection, [answer.job_id for answer in answers])
    new = results.insert(connection, answers)
    moves = [_MoveRow(job_id, JobState.STORED, answered_by=attempt) for job_id, attempt in sorted(new)]
    moved = _guarded_update(
        connection,
        Event.STORED,
        moves,
        f"{_MOVE_AND_RELEASE}, answered_by = v.answered_by, finished_at_ms = NULL, {_NEW_RESULT},"
        f" error_code = CASE WHEN jobs.state = '{JobState.CANCELLED}' THEN '{_CANCELLED}' END",
        deltas,
    )
    results.remove_without_job(connection, [key for key in new if key[0] not in moved])
    return moved


def stored_and_settled(
    connection: Connection, answers: Sequence[tuple[Received, Settled]], deltas: Deltas
) -> set[tuple[int, int]]:
    """Store results and settle them in one move, as `stored` and then `settled` would.

    Return the (job, attempt) that moved their jobs. A result that was stored before moves nothing, nor does
    a second result of the same job.
    """
    _lock(connection, [row.job_id for _, row in answers])
    new = results.insert(connection, [received for received, _ in answers])
    first: dict[int, Settled] = {}
    for _, row in answers:
        if (row.job_id, row.attempt) in new:
            first.setdefault(row.job_id, row)
    moved = _settle(connection, list(first.values()), deltas, via=Event.STORED)
    results.remove_without_job(connection, [key for key in new if key[0] not in moved])
    return {(job_id, first[job_id].attempt) for job_id in moved}


def settled(connection: Connection, rows: Sequence[Settled], deltas: Deltas) -> set[int]:
    """Move stored jobs to their end, or requeue them, as their results were classified; count the costs.

    A settlement of another result than the one that is stored now is too late and moves nothing.
    """
    return _settle(connection, rows, deltas, condition="jobs.answered_by = v.answered_by")


def _settle(
    connection: Connection,
    rows: Sequence[Settled],
    deltas: Deltas,
    *,
    condition: str = "",
    via: Event | None = None,
) -> set[int]:
    change = (
        f"{_MOVE_AND_RELEASE}, due_at_ms = v.due, finished_at_ms = v.finished, error_code = v.code,"
        " answered_by = CASE WHEN v.finished IS NULL THEN NULL ELSE v.answered_by END"
    )
    if via is Event.STORED:
        change += f", {_NEW_RESULT}"
    rows = _failed_where_over(connection, sorted(rows, key=lambda row: row.job_id))
    moved: set[int] = set()
    for event in _SETTLED_EVENTS:
        moves = [_settled_move(row) for row in rows if row.event is event]
        also = _ASK_AGAIN if event is Event.INVALID else _SPEND
        moved |= _guarded_update(connection, event, moves, change + also, deltas, condition, via)
    ended = result_costs.apply_reserved_floor(
        connection, [row for row in rows if row.job_id in moved], deltas
    )
    attempts.record_settled(connection, ended)
    for row in ended:
        result_costs.count_result(row, deltas)
    return moved


def _settled_move(row: Settled) -> _MoveRow:
    return _MoveRow(
        row.job_id,
        row.target,
        due_at_ms=row.due_at_ms,
        at_ms=row.at_ms,
        code=row.cause.code if row.cause else None,
        spent=int(row.event is not Event.INVALID),
        extra=int(row.event is not Event.INVALID and row.target not in FINAL),
        answered_by=row.attempt,
        ask_tokens=row.label_check.ask_tokens if row.label_check else 0,
    )


def _lock(connection: Connection, jobs: Sequence[int]) -> None:
    """Lock jobs until the transaction ends; SQLite has one writer.

    Their source states are tried one after the other: a job that another process moves meanwhile would match
    none of them.
    """
    if connection.dialect.name != "sqlite":
        statement = "SELECT jobs.id FROM v JOIN jobs ON jobs.id = v.id ORDER BY jobs.id FOR UPDATE OF jobs"
        bulk.execute(connection, [("id", "BIGINT")], [(job,) for job in sorted(set(jobs))], statement)


def _failed_where_over(connection: Connection, rows: Sequence[Settled]) -> list[Settled]:
    """Return the rows, with FAILED for PENDING and HELD where the job was cancelled or the run is over.

    Also for PENDING after an invalid answer where the job was asked again as often as the recipe allows: a
    late answer may have been checked by what was known before. These jobs stay locked until the transaction
    ends.
    """
    again = [(row.job_id, _asks_max(row)) for row in rows if row.target not in FINAL]
    lock = "" if connection.dialect.name == "sqlite" else " FOR UPDATE OF jobs"
    found = bulk.execute(
        connection,
        [("id", "BIGINT"), ("asks_max", "INT")],
        again,
        "SELECT jobs.id FROM v JOIN jobs ON jobs.id = v.id JOIN runs ON runs.id = jobs.run_id"
        f" WHERE jobs.state = '{JobState.CANCELLED}' OR jobs.error_code = '{_CANCELLED}'"
        f" OR jobs.asks >= v.asks_max OR runs.finished_at_ms IS NOT NULL{lock}",
    )
    over = {row.id for row in found}
    return [replace(row, target=JobState.FAILED) if row.job_id in over else row for row in rows]


def _asks_max(row: Settled) -> int | None:
    """Return how often the job of an invalid answer may be asked again; None for other answers."""
    return row.label_check.asks_max if row.event is Event.INVALID and row.label_check else None


def _poll_again(connection: Connection, event: Event, rows: Sequence[PollAgain], deltas: Deltas) -> set[int]:
    moves = [
        _MoveRow(
            row.lease.job_id,
            JobState.WAITING,
            row.lease.gen,
            due_at_ms=row.due_at_ms,
            misses=row.misses,
            unasked=int(not row.was_asked),
            at_ms=row.interrupted_at_ms,
        )
        for row in rows
    ]
    # A 202 says that the answer is still there; until then a fetch that died may have taken it along.
    interrupted = "v.at" if event is Event.NOT_READY else "COALESCE(v.at, jobs.interrupted_at_ms)"
    change = (
        f"{_MOVE_AND_RELEASE}, due_at_ms = v.due, misses = v.misses, polls = jobs.polls - v.unasked,"
        f" interrupted_at_ms = {interrupted}"
    )
    moved = _guarded_update(connection, event, moves, change, deltas)
    for row in rows:
        if row.lease.job_id in moved and not row.was_asked:  # the claim has counted a poll
            deltas.add(row.lease.run_id, "attempts", "polls", -1)
    return moved


def _requeue(
    connection: Connection,
    event: Event,
    rows: Sequence[Requeue],
    deltas: Deltas,
    *,
    spent: int = 0,
    condition: str = "",
) -> set[int]:
    moves = [
        _MoveRow(
            row.lease.job_id,
            row.target,
            row.lease.gen,
            due_at_ms=row.due_at_ms,
            at_ms=row.at_ms,
            code=row.cause.code if row.target is not JobState.PENDING else None,
            spent=row.spent + (0 if row.target is JobState.HELD else spent),
            extra=int(event in _EXTRA_EVENTS and row.target is not JobState.FAILED),
        )
        for row in rows
    ]
    moved = _guarded_update(
        connection,
        event,
        moves,
        f"{_MOVE_AND_RELEASE}, due_at_ms = v.due, finished_at_ms = v.finished, error_code = v.code,"
        " spent = jobs.spent + v.spent, extras = jobs.extras + v.extra",
        deltas,
        condition,
    )
    ended = [row for row in rows if row.lease.job_id in moved]
    if event in _EXTRA_EVENTS:
        ended = _with_reserved_floor(connection, ended)
    attempts.record_ended(connection, event, ended)
    _count_costs(event, ended, deltas)
    return moved


def _count_costs(event: Event, rows: Sequence[Requeue], deltas: Deltas) -> None:
    """Count what ended attempts may have cost, and the codes of failed jobs."""
    is_extra = event in _EXTRA_EVENTS
    count_cost = result_costs.count_uncertain_cost if is_extra else result_costs.count_refusal
    for row in rows:
        count_cost(row.lease.run_id, row.uncertain, deltas)
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
    connection: Connection, event: Event, rows: Sequence[Requeue], deltas: Deltas
) -> set[int]:
    moved = _requeue(connection, event, rows, deltas)
    for row in rows:
        if row.lease.job_id in moved:
            deltas.add(row.lease.run_id, "extra", event)
    return moved


def _guarded_update(
    connection: Connection,
    event: Event,
    moves: Sequence[_MoveRow],
    change: str,
    deltas: Deltas,
    condition: str = "",
    via: Event | None = None,
) -> set[int]:
    """Move jobs along the transition of `event`, where their state and lease are still as expected.

    `change` is the SET clause and `condition` a further condition, both in SQL. `via` is a transition that
    is made in the same step before: the jobs start from its source states.
    """
    if not moves:  # two of the three events of most settled batches: a statement takes longer to make
        return set()
    start = _start(event, via, {move.target for move in moves})
    moved: set[int] = set()
    for source in sorted(start.sources, key=_SOURCE_ORDER.index):
        left = [move for move in moves if move.job_id not in moved]
        guard = _guard(source, condition, is_fenced=start.fenced)
        here = _move_from(connection, source, left, change, guard, deltas)
        if Event.STORED in (event, via):
            _uncount(connection, source, [move for move in left if move.job_id in here], deltas)
        moved |= here
        if len(moved) == len(moves):
            break
    return moved


def _guard(source: JobState, condition: str, *, is_fenced: bool) -> str:
    """Return the condition under which a job moves, in SQL."""
    lease = "jobs.lease_gen = v.gen" if is_fenced else ""
    return " AND ".join(filter(None, (bulk.unindexed("jobs.state", source), lease, condition)))


def _move_from(
    connection: Connection,
    source: JobState,
    moves: Sequence[_MoveRow],
    change: str,
    guard: str,
    deltas: Deltas,
) -> set[int]:
    """Move jobs from one state where `guard` holds; count and return them."""
    statement = (
        f"UPDATE jobs SET {change} FROM v WHERE jobs.id = v.id AND {guard}"
        " RETURNING jobs.id, jobs.state, jobs.reserved_ticks"
    )
    moved: set[int] = set()
    for job_id, target, reserved in _execute(connection, moves, statement):
        moved.add(job_id)
        _count_move(job_id, source, target, reserved, deltas)
    return moved


def _uncount(connection: Connection, source: JobState, answered: Sequence[_MoveRow], deltas: Deltas) -> None:
    """Uncount attempts that were given up in `source`, and have answers now."""
    if source in given_up.STATES:
        is_held = source is JobState.HELD  # nobody has retried it since
        rows = [(move.job_id, move.answered_by or 0, -1 if is_held else move.spent) for move in answered]
        given_up.uncount(connection, rows, deltas)


def _start(event: Event, via: Event | None, targets: set[JobState]) -> Transition:
    """Return the transition whose source states and fence hold. Raises Bug if the table has no such move."""
    transition = TRANSITIONS[event]
    if not targets <= transition.targets:
        raise Bug(f"{event} does not lead to {sorted(targets)}")
    if via is None:
        return transition
    start = TRANSITIONS[via]
    if not start.targets <= transition.sources:
        raise Bug(f"{via} does not lead to {event}")
    return start


def _execute(
    connection: Connection, moves: Sequence[_MoveRow], statement: str
) -> Iterator[tuple[int, JobState, int | None]]:
    """Run an UPDATE with the columns of `v` that it names; return id, state and reserved ticks of each."""
    used = {name: column for name, column in _COLUMNS.items() if f"v.{name}" in statement}
    values = attrgetter(*(attribute for _, attribute in used.values()))
    found = bulk.execute(
        connection,
        [(name, kind) for name, (kind, _) in used.items()],
        [values(move) for move in moves],
        statement,
    )
    return (tuple(row) for row in found)


def _count_move(
    job_id: int, source: JobState, target: JobState, reserved: int | None, deltas: Deltas
) -> None:
    """Count a moved job by its states, and what it reserves by whether its state still does."""
    run_id = run_of(job_id)
    deltas.move_jobs(run_id, source, target)
    is_reserving = target in RESERVING_STATES
    if reserved and is_reserving != (source in RESERVING_STATES):
        deltas.add(run_id, "ticks", "reserved", reserved if is_reserving else -reserved)
