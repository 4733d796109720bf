"""Reads stored answers of a run with labels to check them again, and moves the jobs whose answers changed.

Nothing is sent and no cost is counted: what the answers cost was counted when they came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import text

from runner.db import bulk
from runner.db.jobs.job_ids import job_id, run_of
from runner.db.moves import guarded_update
from runner.db.moves.guarded_update import MoveRow
from runner.db.stored_text import stored_text
from runner.rules.sending.failure_pause import INVALID
from runner.rules.states import TRANSITIONS, Event, JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from runner.db.counts.counters import Deltas

JOBS_PER_PAGE: Final = 500  # a page is moved in one transaction
_FAILED: Final = f"jobs.state = '{JobState.FAILED}' AND jobs.error_code = '{INVALID}'"
_SUCCEEDED: Final = f"jobs.state = '{JobState.SUCCEEDED}'"
_NEXT: Final = {  # the condition under which a job of this state has answers to check, and which answers
    JobState.FAILED: (f"run_id = :run AND {_FAILED}", f"{_FAILED} AND a.outcome = '{Event.INVALID}'"),
    JobState.SUCCEEDED: (_SUCCEEDED, f"{_SUCCEEDED} AND a.attempt = jobs.answered_by"),
}
_KEY: Final = [("id", "BIGINT"), ("attempt", "INT")]
_UPDATES: Final = {
    Event.REVALIDATED: guarded_update.REVALIDATED,
    Event.INVALIDATED: guarded_update.INVALIDATED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rechecked:
    """An answer that is another thing to its job now: it fits the labels, or not any more for its `error`.

    `labels` and `repair` are what is counted of a job that succeeded by it.
    """

    job_id: int
    attempt: int
    finish_reason: str | None
    labels: tuple[str, ...]
    repair: str | None
    error: str | None = None

    @property
    def event(self) -> Event:
        """Return how its job moves."""
        return Event.REVALIDATED if self.error is None else Event.INVALIDATED


class AnswerPage(NamedTuple):
    """The answers of some jobs; `last` is the last of these, None where there are no more jobs.

    Columns: job_id, attempt, finish_reason, body.
    """

    answers: Sequence[Row[Any]]
    last: int | None


def set_recipe(connection: Connection, run_id: int, recipe: str) -> None:
    """Replace the stored recipe of a run. Only what is no part of its identity may differ."""
    connection.execute(
        text("UPDATE runs SET recipe = :recipe WHERE id = :id"), {"recipe": recipe, "id": run_id}
    )


def answers_to_check(
    connection: Connection, run_id: int, state: JobState, after: int | None = None
) -> AnswerPage:
    """Return the answers of the next jobs of a run, in the order of jobs, the newest answer of each first.

    Of failed jobs these are all that did not fit the labels, of succeeded ones those that they succeeded by.
    `after`: only of jobs with larger ids.
    """
    of_jobs, of_answers = _NEXT[state]
    query = text(
        f"SELECT id FROM jobs WHERE id >= :first AND id < :last AND {of_jobs} ORDER BY id LIMIT :jobs"
    )
    first = job_id(run_id, 0) if after is None else after + 1
    values = {"first": first, "last": job_id(run_id + 1, 0), "jobs": JOBS_PER_PAGE}
    values |= {"run": run_id} if ":run" in of_jobs else {}
    jobs = connection.execute(query, values).scalars().all()
    answers = bulk.execute(
        connection,
        _KEY[:1],
        [(job,) for job in jobs],
        "SELECT a.job_id, a.attempt, a.finish_reason, r.body FROM v JOIN jobs ON jobs.id = v.id"
        " JOIN attempts a ON a.job_id = jobs.id JOIN results r ON r.job_id = a.job_id"
        f" AND r.attempt = a.attempt WHERE {of_answers} ORDER BY a.job_id, a.attempt DESC",
    )
    return AnswerPage(answers, jobs[-1] if jobs else None)


def move(connection: Connection, rows: Sequence[Rechecked], deltas: Deltas) -> set[int]:
    """Move jobs by their rechecked answers, and count what follows; return those that moved.

    A job that was moved since, as by a retry, stays as it is.
    """
    moved: set[int] = set()
    for event in _UPDATES:
        found = sorted((row for row in rows if row.event is event), key=lambda row: row.job_id)
        moved |= _move(connection, event, found, deltas)
    return moved


def _move(connection: Connection, event: Event, rows: Sequence[Rechecked], deltas: Deltas) -> set[int]:
    (target,) = TRANSITIONS[event].targets
    moves = [MoveRow(row.job_id, target, answered_by=row.attempt) for row in rows]
    moved = set(_UPDATES[event].run(connection, event, moves, deltas))
    ended = [row for row in rows if row.job_id in moved]
    _record(connection, ended, is_valid=target is JobState.SUCCEEDED)
    for row in ended:
        _count(row, target, deltas)
    return moved


def _record(connection: Connection, rows: Sequence[Rechecked], *, is_valid: bool) -> None:
    """Write what the answers are now to their attempts."""
    now = (Event.SUCCEEDED, None) if is_valid else (Event.INVALID, INVALID)
    bulk.execute(
        connection,
        [*_KEY, ("outcome", "TEXT"), ("code", "TEXT"), ("error", "TEXT")],
        [(row.job_id, row.attempt, *now, row.error and stored_text(row.error)) for row in rows],
        "UPDATE attempts SET outcome = v.outcome, error_code = v.code, error_message = v.error FROM v"
        " WHERE attempts.job_id = v.id AND attempts.attempt = v.attempt",
    )


def _count(row: Rechecked, target: JobState, deltas: Deltas) -> None:
    """Count the code of one moved job, and what is counted of succeeded jobs alone."""
    run_id = run_of(row.job_id)
    sign = 1 if target is JobState.SUCCEEDED else -1
    deltas.add(run_id, "code", INVALID, -sign)
    deltas.add(run_id, "finish", row.finish_reason or "unknown", sign)
    if row.repair:
        deltas.add(run_id, "repaired", row.repair, sign)
    for word in row.labels:
        deltas.add(run_id, "label", word, sign)
