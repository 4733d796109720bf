"""The guarded UPDATE that every move of jobs is: many rows at once, where state and lease are as expected."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING

from runner.db import bulk, given_up
from runner.db.job_ids import run_of
from runner.rules.budget import RESERVING_STATES
from runner.rules.errors import Bug
from runner.rules.states import FINAL, TRANSITIONS, Event, JobState, Transition

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from runner.db.counters import Deltas

# Of several source states the likeliest first: most jobs that get a result are collecting.
_SOURCE_ORDER = sorted(JobState, key=lambda state: state is not JobState.COLLECTING)
_COLUMNS = {  # of `v`: the type, and the attribute of MoveRow with the value
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
MOVE_AND_RELEASE = "state = v.target, lease_owner = NULL, lease_until_ms = NULL"


@dataclass(slots=True)
class MoveRow:
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


def guarded_update(
    connection: Connection,
    event: Event,
    moves: Sequence[MoveRow],
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
    moves: Sequence[MoveRow],
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


def _uncount(connection: Connection, source: JobState, answered: Sequence[MoveRow], deltas: Deltas) -> None:
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
    connection: Connection, moves: Sequence[MoveRow], statement: str
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
