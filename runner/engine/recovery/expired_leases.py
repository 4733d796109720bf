"""Expired leases: of workers without a heartbeat, and of a worker that does not work on the job any more."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from runner.db.counts.counters import Deltas
from runner.db.workers import orphans, workers
from runner.engine.recovery.requeue import fetch_again, requeue_unknown
from runner.engine.runs.cost_bounds import TABLE_PRICES
from runner.rules.states import JobState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.db.session import Database
    from runner.engine.runs.cost_bounds import PriceBasis

ROWS_MAX: Final = 500  # in one transaction
log = logging.getLogger("runner.recovery")


def reclaim_of_dead_workers(database: Database, now_ms: int, price_basis: PriceBasis = TABLE_PRICES) -> None:
    """Reclaim jobs under expired leases of workers without a recent heartbeat."""
    with database.write() as connection:
        expired = orphans.expired_of_dead_workers(
            connection, now_ms, ROWS_MAX, alive_since_ms=now_ms - workers.ALIVE_MS
        )
        deltas = Deltas(0)
        _reclaim(connection, expired, now_ms, deltas, price_basis)
        deltas.write(connection)


def reclaim_own(
    connection: Connection,
    deltas: Deltas,
    worker: int,
    in_flight: set[int],
    now_ms: int,
    price_basis: PriceBasis,
) -> None:
    """Reclaim a worker's own jobs under expired leases, but for those that it is sending or fetching."""
    expired = orphans.expired_of_worker(connection, worker, now_ms)
    dropped = [job for job in expired if job.lease.job_id not in in_flight]
    _reclaim(connection, dropped, now_ms, deltas, price_basis)


def _reclaim(
    connection: Connection,
    expired: list[orphans.OrphanedJob],
    now_ms: int,
    deltas: Deltas,
    price_basis: PriceBasis,
) -> None:
    """Requeue jobs whose leases ran out: those being sent as of unknown outcome, the others to be fetched."""
    if not expired:
        return
    submitting = [job for job in expired if job.state is JobState.SUBMITTING]
    collecting = [job for job in expired if job.state is JobState.COLLECTING]
    unknown = requeue_unknown(connection, submitting, now_ms, deltas, price_basis)
    again = fetch_again(connection, collecting, now_ms, deltas)
    log.warning("lease.expired submitting=%d collecting=%d", len(unknown), len(again))
