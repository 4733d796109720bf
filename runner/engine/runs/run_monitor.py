"""The run monitor of a worker: completes runs, pauses those that fail, records limits and warnings."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from runner.db.events import events
from runner.db.runs import run_moves
from runner.engine.collecting import restate_costs
from runner.engine.runs import run_completion
from runner.engine.runs.cost_bounds import TABLE_PRICES
from runner.rules.costs import uncertain_cost
from runner.rules.event_kinds import EventKind
from runner.rules.replies import clock_skew
from runner.rules.sending import failure_pause
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runner.engine.runs.active_runs import ActiveRun
    from runner.engine.runs.cost_bounds import PriceBasis
    from runner.engine.storing.group_commit import GroupCommit

LOOK_S = 0.05


class RunMonitor:
    """Takes notes of what the stages saw; `run` acts on them. A note is kept until it has been acted on.

    `active` returns the runs at work as last read, `has_answers_due` whether jobs wait for answers here,
    `clock_skew_s` by how many seconds this machine's clock is off, `price_basis` what answers are priced by.
    """

    def __init__(
        self,
        *,
        group_commit: GroupCommit,
        now_ms: Callable[[], int],
        active: Callable[[], list[ActiveRun]],
        pause: Callable[[int, PauseReason, str], Awaitable[None]],
        has_answers_due: Callable[[], bool],
        clock_skew_s: Callable[[], float],
        price_basis: PriceBasis = TABLE_PRICES,
    ) -> None:
        self._group_commit, self._now_ms, self._active, self._pause = group_commit, now_ms, active, pause
        self._has_answers_due, self._clock_skew_s = has_answers_due, clock_skew_s
        self._price_basis = price_basis
        self._learnt: dict[int, frozenset[str]] = {}  # by run: the models whose costs were learnt
        self._ended_in: set[int] = set()
        self._announced: dict[str, tuple[int | None, int | None]] = {}
        self._new_limits: list[str] = []
        self._warned: set[int] = set()
        self._resumed: set[int] = set()  # runs that a person resumed although all of their first jobs failed

    def note_ended(self, run_id: int) -> None:
        """Note that a job of a run has its end, so that the run may be complete."""
        self._ended_in.add(run_id)

    def note_limits(self, bucket: str, rpm: int | None, tpm: int | None) -> None:
        """Note the limits that the API announced; a change of them is put on record."""
        if (rpm or tpm) and self._announced.get(bucket) != (rpm, tpm):
            self._announced[bucket] = rpm, tpm
            parts = [f"{n:,} {what} a minute" for n, what in ((rpm, "requests"), (tpm, "tokens")) if n]
            self._new_limits.append(f"{bucket.rpartition(':')[2]}: {', '.join(parts)}")

    async def run(self) -> None:
        """Look every LOOK_S, until cancelled or an error."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Do all that is due; raise what failed only after the rest is done."""
        active = self._active()
        run_ids = [active_run.run.id for active_run in active]
        await _each(
            *(partial(self._pause_if_failing, active_run) for active_run in active),
            *(partial(self._restate_uncertain_costs, active_run) for active_run in active),
            partial(self._record_limits, run_ids),
            *(partial(self._warn_of_clock, run_id) for run_id in run_ids),
            *(partial(self._complete, run_id) for run_id in self._maybe_complete(active)),
        )

    async def _pause_if_failing(self, active_run: ActiveRun) -> None:
        """Pause a run that fails too much."""
        run_id, options = active_run.run.id, active_run.run.options
        why = failure_pause.reason_to_pause(active_run.counts, options.max_failures, active_run.run.unit)
        if not active_run.is_submitting or why is None or (why.once and run_id in self._resumed):
            return
        was_paused = await self._group_commit.execute(
            lambda c, _: run_moves.was_paused_for(c, run_id, PauseReason.FAILURES)
        )
        if why.once and was_paused:
            self._resumed.add(run_id)
        else:
            await self._pause(run_id, PauseReason.FAILURES, why.text)

    async def _restate_uncertain_costs(self, active_run: ActiveRun) -> None:
        """Restate what no one could read when another model's costs have been learnt."""
        run_id, counts = active_run.run.id, active_run.counts
        if not uncertain_cost.can_be_restated(counts):
            return
        learnt = uncertain_cost.learnt_models(counts)
        if learnt - self._learnt.get(run_id, frozenset()):
            await self._group_commit.execute(
                lambda c, d: restate_costs.restate(c, run_id, self._now_ms(), self._price_basis, d)
            )
            self._learnt[run_id] = learnt

    async def _record_limits(self, run_ids: list[int]) -> None:
        """Record new limits once in each run at work, whichever worker saw them first."""
        new = tuple(self._new_limits) if run_ids else ()
        await _each(
            *(partial(self._note_once, run_id, EventKind.LIMITS, line) for run_id in run_ids for line in new)
        )
        del self._new_limits[: len(new)]

    async def _warn_of_clock(self, run_id: int) -> None:
        """Warn once in a run of a clock that is off: the times in its files will be off as well."""
        advice = clock_skew.skew_advice(self._clock_skew_s())
        if advice is not None and run_id not in self._warned:
            await self._note_once(run_id, EventKind.WARNING, str(advice))
            self._warned.add(run_id)

    async def _note_once(self, run_id: int, kind: EventKind, cause: str) -> None:
        await self._group_commit.execute(
            lambda c, _: events.record_once(c, run_id, self._now_ms(), kind, cause)
        )

    def _maybe_complete(self, active: list[ActiveRun]) -> set[int]:
        """Return the runs in which a job has ended, without long ones that still wait for answers here."""
        if not self._has_answers_due():
            return set(self._ended_in)
        return self._ended_in - {active_run.run.id for active_run in active if active_run.is_long}

    async def _complete(self, run_id: int) -> None:
        """Complete a run if all is done. A job that ends meanwhile is a new note."""
        self._ended_in.discard(run_id)
        try:
            await self._group_commit.execute(
                lambda c, d: run_completion.complete_if_done(c, run_id, self._now_ms(), d, self._price_basis)
            )
        except Exception:
            self._ended_in.add(run_id)
            raise


async def _each(*steps: Callable[[], Awaitable[None]]) -> None:
    """Do all steps, so that one run does not keep the others waiting; then raise what failed."""
    errors: list[Exception] = []
    for step in steps:
        try:
            await step()
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else ExceptionGroup(f"{len(errors)} steps failed", errors)
