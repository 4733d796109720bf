"""The reaper: recovers dead workers, reclaims expired leases, settles stored answers, completes runs.

It runs every few seconds in one of the workers, by Celery beat.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from runner.db import job_moves, orphans, runs, workers
from runner.db.counters import Deltas
from runner.db.driver_errors import first_line
from runner.db.job_ids import run_of
from runner.engine import recovery, run_completion, settle
from runner.engine.cost_bounds import TABLE_PRICES
from runner.engine.heartbeat import reclaim
from runner.rules.states import RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Row

    from runner.db.outcomes import Settled
    from runner.db.session import Database
    from runner.engine.cost_bounds import PriceBasis
    from runner.engine.runtime import Runtime
    from runner.engine.settle import StoredAnswer

ROWS_MAX = 500
log = logging.getLogger("runner.reaper")


def reap(runtime: Runtime) -> list[int]:
    """Do all of it once; return the ids of the runs that still have work.

    Raises the first error after the other steps are done, and logs further ones: a spool that cannot be read
    keeps no run from its end.
    """
    database, now_ms = runtime.database, runtime.now_ms()
    steps: list[Callable[[], object]] = [
        lambda: recovery.recover_host(
            database, runtime.settings.spool_dir, runtime.host, now_ms, runtime.prices
        )
    ]
    if runtime.clock.is_steady:  # else it says nothing about leases and heartbeats
        steps.append(lambda: reclaim_expired_leases(database, now_ms, runtime.prices))
    moving: list[int] = []
    steps += [
        lambda: settle_stored(runtime),
        lambda: moving.extend(complete_runs(database, now_ms, runtime.prices)),
    ]
    failed: list[Exception] = []
    for step in steps:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - raised below
            failed.append(error)
    for other in failed[1:]:
        log.error("reaper.failed cause=%s", first_line(other), exc_info=other)
    if failed:
        raise failed[0]
    return moving


def reclaim_expired_leases(database: Database, now_ms: int, pricing: PriceBasis = TABLE_PRICES) -> None:
    """Reclaim jobs under expired leases of workers without a recent heartbeat."""
    with database.write() as connection:
        left = orphans.expired_of_dead_workers(
            connection, now_ms, ROWS_MAX, alive_since_ms=now_ms - workers.ALIVE_MS
        )
        deltas = Deltas(0)
        reclaim(connection, left, now_ms, deltas, pricing)
        deltas.write(connection)


def settle_stored(runtime: Runtime) -> None:
    """Settle answers that were stored but not settled, one by one, each at most TRIES_MAX times."""
    with runtime.database.read() as connection:
        rows = orphans.unsettled_results(connection, ROWS_MAX)
    for row in rows:
        with runtime.database.write() as connection:
            orphans.count_settle_try(connection, row.id)
        try:
            settled = _settle(runtime, settle.stored_answer_of(row), row)
            with runtime.database.write() as connection:
                deltas = Deltas(0)
                job_moves.settled(connection, [settled], deltas)
                deltas.write(connection)
        except Exception:  # the others go on, and this one is tried again
            log.exception("settle.failed job=%d try=%d", row.id, row.settle_tries + 1)


def _settle(runtime: Runtime, subject: StoredAnswer, row: Row[Any]) -> Settled:
    policy = runtime.policy(run_of(subject.job_id))
    if row.settle_tries >= settle.TRIES_MAX:
        return settle.fail_unreadable(subject, policy=policy, now_ms=row.received_at_ms)
    return settle.settle(subject, bytes(row.body), policy=policy, now_ms=row.received_at_ms)


def complete_runs(database: Database, now_ms: int, pricing: PriceBasis = TABLE_PRICES) -> list[int]:
    """Complete the runs that have ended; return the ids of those that have jobs in flight."""
    with database.read() as connection:
        moving = runs.active_runs(connection)
        done = [run.id for run in moving if run.state is RunState.CANCELLED or runs.is_done(connection, run)]
    finished = set()
    for run_id in done:
        with database.write() as connection:
            if run_completion.complete_if_done(connection, run_id, now_ms, Deltas(0), pricing):
                finished.add(run_id)
    return [run.id for run in moving if run.id not in finished]
