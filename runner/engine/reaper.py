"""The reaper: recovers dead workers, reclaims expired leases, settles stored answers, completes runs.

It runs every few seconds in one of the workers, by Celery beat.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from runner.db.connection.driver_errors import first_line, is_unavailable
from runner.db.counts.counters import Deltas
from runner.db.jobs.job_ids import run_of
from runner.db.moves import result_moves
from runner.db.runs import run_end, runs
from runner.db.workers import orphans
from runner.engine.collecting import settle
from runner.engine.recovery import dead_workers, expired_leases
from runner.engine.runs import run_completion
from runner.engine.runs.cost_bounds import TABLE_PRICES
from runner.rules import needs
from runner.rules.states import RunState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Row

    from runner.db.moves.outcomes import Settled
    from runner.db.session import Database
    from runner.engine.collecting.settle import Policy, StoredAnswer
    from runner.engine.process.shared_clock import SharedClock
    from runner.engine.runs.cost_bounds import PriceBasis

ROWS_MAX = 500
log = logging.getLogger("runner.reaper")


class Reaper:
    """Belongs to one worker; `reap` may run in any thread, one round at a time."""

    def __init__(
        self,
        *,
        database: Database,
        spool_dir: Path,
        host: str,
        clock: SharedClock,
        price_basis: PriceBasis,
    ) -> None:
        self._database, self._spool_dir, self._host = database, spool_dir, host
        self._clock, self._price_basis = clock, price_basis

    def reap(self) -> list[int]:
        """Do all of it once; return the ids of the runs that still have work.

        Raises the first error after the other steps are done, and logs further ones: a spool that cannot be
        read keeps no run from its end.
        """
        database, now_ms, price_basis = self._database, self._clock.now_ms(), self._price_basis
        moving: list[int] = []
        steps: list[Callable[[], object]] = [
            lambda: dead_workers.recover_host(database, self._spool_dir, self._host, now_ms, price_basis),
            lambda: settle_stored(database, price_basis),
            lambda: moving.extend(complete_runs(database, now_ms, price_basis)),
        ]
        if self._clock.is_steady:  # else it says nothing about leases and heartbeats
            steps.insert(1, lambda: expired_leases.reclaim_of_dead_workers(database, now_ms, price_basis))
        _each(steps)
        return moving


def _each(steps: list[Callable[[], object]]) -> None:
    """Do all steps; then raise the first error, and log the others."""
    failed: list[Exception] = []
    for step in steps:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - raised below
            failed.append(error)
    for other in failed[1:]:
        is_mended_elsewhere = isinstance(other, DBAPIError) and is_unavailable(other)
        log.error(
            "reaper.failed cause=%s", first_line(other), exc_info=None if is_mended_elsewhere else other
        )
    if failed:
        raise failed[0]


def settle_stored(database: Database, price_basis: PriceBasis = TABLE_PRICES) -> None:
    """Settle answers that were stored but not settled, one by one, each at most TRIES_MAX times.

    Runs that need what this version does not know are left alone.
    """
    with database.read() as connection:
        left_alone = [run.id for run in runs.active_runs(connection) if not needs.are_known(run.needs)]
        rows = orphans.unsettled_results(connection, ROWS_MAX, left_alone)
        policies = {
            run_id: settle.policy_of_run(connection, run_id, price_basis)
            for run_id in {run_of(row.id) for row in rows}
        }
    for row in rows:
        with database.write() as connection:
            orphans.count_settle_try(connection, row.id)
        try:
            settled = _settle(settle.stored_answer_of(row), row, policies[run_of(row.id)])
            with database.write() as connection:
                deltas = Deltas(0)
                result_moves.settled(connection, [settled], deltas)
                deltas.write(connection)
        except Exception:  # the others go on, and this one is tried again
            log.exception("settle.failed job=%d try=%d", row.id, row.settle_tries + 1)


def _settle(subject: StoredAnswer, row: Row[Any], policy: Policy) -> Settled:
    if row.settle_tries >= settle.TRIES_MAX:
        return settle.fail_unreadable(subject, policy=policy, now_ms=row.received_at_ms)
    return settle.settle(subject, bytes(row.body), policy=policy, now_ms=row.received_at_ms)


def complete_runs(database: Database, now_ms: int, price_basis: PriceBasis = TABLE_PRICES) -> list[int]:
    """Complete the runs that have ended; return the ids of those that have jobs in flight."""
    with database.read() as connection:
        moving = runs.active_runs(connection)
        done = [
            run.id for run in moving if run.state is RunState.CANCELLED or run_end.is_done(connection, run)
        ]
    finished = set()
    for run_id in done:
        with database.write() as connection:
            if run_completion.complete_if_done(connection, run_id, now_ms, Deltas(0), price_basis):
                finished.add(run_id)
    return [run.id for run in moving if run.id not in finished]
