"""Checks the stored answers of a run with labels again, by its rules as they are now. Nothing is sent."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, NoReturn

from runner.db.moves import recheck_moves, user_moves
from runner.db.moves.recheck_moves import Rechecked
from runner.db.runs import runs
from runner.db.session import clock_ms
from runner.rules.errors import UsageError
from runner.rules.event_kinds import EventKind
from runner.rules.labels.recheck_rules import has_repair, recheck_of
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Row

    from runner.db.counts.counters import Deltas
    from runner.db.events.trail import CommandEvent
    from runner.db.session import Database
    from runner.rules.labels.recheck_rules import Recheck


@dataclass(slots=True)
class RecheckCounts:
    """Jobs: those whose answers were checked, those that fit now, and those that do not fit any more."""

    checked: int = 0
    valid: int = 0
    invalid: int = 0

    @property
    def changed(self) -> int:
        """Return how many jobs have another state now."""
        return self.valid + self.invalid

    def add(self, changed: Sequence[Rechecked]) -> None:
        """Count answers that are another thing to their jobs now."""
        invalid = sum(row.error is not None for row in changed)
        self.valid += len(changed) - invalid
        self.invalid += invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class _PageMoves:
    """The jobs of a page whose answers are another thing by `recipe`; `moved_before` have moved before."""

    run_id: int
    recipe: str
    changed: Sequence[Rechecked]
    event: CommandEvent
    moved_before: int

    def move(self, connection: Connection, deltas: Deltas) -> tuple[list[Rechecked], CommandEvent]:
        """Move the jobs; return those that moved, and the event with them.

        The run is locked after them, as a retry does. Raises UsageError.
        """
        moved = recheck_moves.move(connection, self.changed, deltas)
        runs.lock(connection, self.run_id)
        run = runs.find(connection, self.run_id)
        if run is not None and run.recipe is not None and has_repair(run.recipe) != has_repair(self.recipe):
            _refuse_switched(self.run_id, is_on=has_repair(run.recipe))
        event = self.event
        if moved:
            new = {"jobs": self.moved_before + len(moved)}
            event = event.extended(connection, clock_ms(connection), EventKind.RECHECKED, new=new)
        return [row for row in self.changed if row.job_id in moved], event


def recheck_answers(
    database: Database, event: CommandEvent, run_id: int, recipe: str, *, dry_run: bool
) -> RecheckCounts:
    """Move the jobs whose stored answers are another thing by `recipe`, page by page; return how many.

    Invalid rows are checked, and without repair those that are ok, too. With `dry_run` nothing is moved.
    Killed midway it can be called again: what was moved is not checked a second time. `event` is that of the
    command; a page that moves a job extends it. Raises UsageError where another command has switched the
    repair since: the run has one rule at a time.
    """
    rules, counts = recheck_of(recipe), RecheckCounts()
    states = (JobState.FAILED,) if has_repair(recipe) else (JobState.FAILED, JobState.SUCCEEDED)
    for state in states:
        for page in _pages(database, run_id, state):
            changed = _changed(page, state, rules, counts)
            if changed and not dry_run:
                page_moves = _PageMoves(
                    run_id=run_id, recipe=recipe, changed=changed, event=event, moved_before=counts.changed
                )
                changed, event = user_moves.move_chunk(database, page_moves.move)
            counts.add(changed)
    return counts


def _pages(database: Database, run_id: int, state: JobState) -> Iterator[Sequence[Row[Any]]]:
    after = None
    while True:
        with database.read() as connection:
            page = recheck_moves.answers_to_check(connection, run_id, state, after)
        if page.last is None:
            return
        yield page.answers
        after = page.last


def _changed(
    page: Sequence[Row[Any]], state: JobState, rules: Recheck, counts: RecheckCounts
) -> list[Rechecked]:
    """Return for each job the newest answer that changes it, if there is one; count the jobs."""
    changed = []
    for _, answers in groupby(page, key=lambda row: row.job_id):
        counts.checked += 1
        found = next(filter(None, (_rechecked(row, state, rules) for row in answers)), None)
        if found is not None:
            changed.append(found)
    return changed


def _rechecked(row: Row[Any], state: JobState, rules: Recheck) -> Rechecked | None:
    check = rules.newly_valid if state is JobState.FAILED else rules.newly_invalid
    found = check(bytes(row.body))
    if found is None:
        return None
    return Rechecked(
        job_id=row.job_id,
        attempt=row.attempt,
        finish_reason=row.finish_reason,
        labels=found.labels,
        repair=found.repair,
        error=found.error,
    )


def _refuse_switched(run_id: int, *, is_on: bool) -> NoReturn:
    what = f"another command has switched the repair of run {run_id} {'on' if is_on else 'off'} meanwhile"
    cure = (
        f"runner retry {run_id} --judge --no-repair" if is_on else f"runner retry {run_id} --judge --repair"
    )
    raise UsageError(what, fix=f"let that one end; to switch again: {cure}")
