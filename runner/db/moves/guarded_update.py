"""The guarded UPDATEs: each moves many jobs at once, where their state and lease are still as expected.

Their SQL is in `runner/db/sql`, named by the event. Here is how they are run and counted, and which
there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from runner.db import statements
from runner.db.jobs.job_ids import run_of
from runner.db.moves import given_up
from runner.rules.costs.budget import RESERVING_STATES
from runner.rules.errors import Bug
from runner.rules.states import TRANSITIONS, Event, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Connection

    from runner.db.counts.counters import Deltas
    from runner.db.statements import Statement

_S: Final = JobState
_SENT: Final = {  # what a move of one job adds to the number of requests that were sent
    (Event.SEND, _S.PENDING): 1,
    (Event.NOT_SENT, _S.SUBMITTING): -1,
    (Event.WITHHELD, _S.SUBMITTING): -1,
}


@dataclass(slots=True)
class MoveRow:
    """One row of a guarded UPDATE: an attribute for each column that one of them has in its table `v`.

    `target` is checked against the transition table, even where the statement has only one target.
    """

    id: int
    target: JobState
    gen: int = 0  # of the lease
    lease_until_ms: int | None = None
    due_at_ms: int = 0
    accepted_at_ms: int | None = None
    interrupted_at_ms: int | None = None
    finished_at_ms: int | None = None
    error_code: str | None = None
    request_id: str | None = None
    misses: int = 0
    unasked: int = 0  # polls that the claim counted and that were not sent
    spent: int = 0  # attempts to add
    extras: int = 0  # extras to add
    answered_by: int | None = None  # the attempt whose result is stored
    reserved_ticks: int | None = None
    ask_tokens: int = 0  # that asking again adds to the prompt
    source: JobState = field(init=False)  # the state that the UPDATE is tried from


@dataclass(frozen=True, slots=True, eq=False)
class GuardedUpdate:
    """A statement that moves jobs by one of `events`, from `sources`, the likeliest first.

    A statement with several sources has a column `source` and is run for one after another, so that each
    moved job is counted by the state that it had. `via` is an event that happens in the same step before:
    jobs start from its sources.
    """

    statement: Statement
    events: frozenset[Event]
    sources: tuple[JobState, ...]
    via: Event | None = None
    values: Callable[[MoveRow], tuple[Any, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        names = (name for name, _ in self.statement.columns)
        plain = (
            f"{name}.value" if name in {"source", "target"} else name for name in names
        )  # drivers want str
        object.__setattr__(self, "values", attrgetter(*plain))

    def run(
        self,
        connection: Connection,
        event: Event,
        rows: Sequence[MoveRow],
        deltas: Deltas,
        sources: Sequence[JobState] = (),
    ) -> dict[int, str]:
        """Move the jobs of `rows` by `event` and count them; return those that moved, with their models.

        `sources`: only from these states. Raises Bug where the transition table has no such move.
        """
        if not rows:  # two of the three events of most settled batches: a statement takes longer to make
            return {}
        self._check(event, {row.target for row in rows})
        moved: dict[int, str] = {}
        for source in sources or self.sources:
            left = [row for row in rows if row.id not in moved]
            moved |= self._move_from(connection, event, source, left, deltas)
            if len(moved) == len(rows):
                break
        return moved

    def _check(self, event: Event, targets: set[JobState]) -> None:
        if event not in self.events or not targets <= TRANSITIONS[event].targets:
            raise Bug(f"{self.statement.name}: {event} does not lead to {sorted(targets)}")

    def _move_from(
        self,
        connection: Connection,
        event: Event,
        source: JobState,
        rows: Sequence[MoveRow],
        deltas: Deltas,
    ) -> dict[int, str]:
        """Move jobs from one state; count and return them with their models."""
        for row in rows:
            row.source = source
        moved: dict[int, str] = {}
        sent = _SENT.get((event, source), 0)
        found = self.statement.with_rows(connection, [self.values(row) for row in rows])
        for job_id, target, reserved, model in map(tuple, found):
            moved[job_id] = model
            _count_move(job_id, source, target, reserved, model, deltas)
            if sent:
                deltas.add(run_of(job_id), "attempts", "sent", sent, model=model)
        if Event.STORED in (event, self.via):
            _uncount(connection, source, [row for row in rows if row.id in moved], deltas)
        return moved


def _uncount(connection: Connection, source: JobState, answered: Sequence[MoveRow], deltas: Deltas) -> None:
    """Uncount attempts that were given up in `source`, and have answers now."""
    if source in given_up.STATES:
        is_held = source is JobState.HELD  # nobody has retried it since
        rows = [(row.id, row.answered_by or 0, -1 if is_held else row.spent) for row in answered]
        given_up.uncount(connection, rows, deltas)


def _count_move(
    job_id: int, source: JobState, target: JobState, reserved: int | None, model: str, deltas: Deltas
) -> None:
    """Count a moved job by its states, and what it reserves by whether its state still does."""
    run_id = run_of(job_id)
    deltas.move_jobs(run_id, source, target, model=model)
    is_reserving = target in RESERVING_STATES
    if reserved and is_reserving != (source in RESERVING_STATES):
        deltas.add(run_id, "ticks", "reserved", reserved if is_reserving else -reserved)


def _of(
    name: str, events: Iterable[Event], sources: Sequence[JobState], via: Event | None = None
) -> GuardedUpdate:
    return GuardedUpdate(statements.read(name), frozenset(events), tuple(sources), via)


# Most jobs that get a result are collecting.
_UNANSWERED: Final = (_S.COLLECTING, _S.PENDING, _S.SUBMITTING, _S.WAITING, _S.HELD, _S.CANCELLED)
_CLASSIFIED: Final = (Event.SUCCEEDED, Event.UNUSABLE, Event.GENERATION_FAILED)

SEND: Final = _of("send", [Event.SEND], [_S.PENDING])
ACCEPTED: Final = _of("accepted", [Event.ACCEPTED], [_S.SUBMITTING])
NOT_SENT: Final = _of("not_sent", [Event.NOT_SENT], [_S.SUBMITTING])
REFUSED_FOR_NOW: Final = _of("refused_for_now", [Event.REFUSED_FOR_NOW], [_S.SUBMITTING])
REFUSED: Final = _of("refused", [Event.REFUSED], [_S.SUBMITTING])
WITHHELD: Final = _of("withheld", [Event.WITHHELD], [_S.PENDING, _S.SUBMITTING])
AMBIGUOUS: Final = _of("ambiguous", [Event.AMBIGUOUS], [_S.SUBMITTING])
NOT_READY: Final = _of("not_ready", [Event.NOT_READY], [_S.COLLECTING])
LATER: Final = _of("later", [Event.LATER, Event.UNREADABLE], [_S.COLLECTING])
LOST: Final = _of("lost", [Event.LOST], [_S.COLLECTING])
FETCH_FAILED: Final = _of("fetch_failed", [Event.UNUSABLE, Event.GENERATION_FAILED], [_S.COLLECTING])
STORED: Final = _of("stored", [Event.STORED], _UNANSWERED)
SETTLED: Final = _of("settled", _CLASSIFIED, [_S.STORED])
INVALID: Final = _of("invalid", [Event.INVALID], [_S.STORED])
STORED_AND_SETTLED: Final = _of("stored_and_settled", _CLASSIFIED, _UNANSWERED, via=Event.STORED)
STORED_AND_INVALID: Final = _of("stored_and_invalid", [Event.INVALID], _UNANSWERED, via=Event.STORED)
CANCEL: Final = _of("cancel", [Event.CANCEL], [_S.PENDING, _S.HELD])
ABANDON: Final = _of("abandon", [Event.ABANDON], [_S.WAITING, _S.COLLECTING])
RETRY: Final = _of("retry", [Event.RETRY], [_S.FAILED, _S.HELD, _S.CANCELLED, _S.PENDING])
REVALIDATED: Final = _of("revalidated", [Event.REVALIDATED], [_S.FAILED])
INVALIDATED: Final = _of("invalidated", [Event.INVALIDATED], [_S.SUCCEEDED])
