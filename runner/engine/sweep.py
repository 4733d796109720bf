"""Sweep: heal what a crash left, judge what nobody judged, and finish what is done. Runs now and then."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from runner.db import jobs, leftovers, runs, workers
from runner.db.counters import Deltas
from runner.db.job_ids import run_of
from runner.engine import closing, recover, settle
from runner.engine.doubt import BY_THE_TABLE
from runner.engine.heartbeat import reclaim
from runner.rules.states import RunState

if TYPE_CHECKING:
    from sqlalchemy import Row

    from runner.db.outcomes import Settled
    from runner.db.session import Database
    from runner.engine.doubt import Pricing
    from runner.engine.settle import Subject
    from runner.engine.station import Station

ROWS_MAX = 500
log = logging.getLogger("runner.sweep")


def sweep(station: Station) -> list[int]:
    """Heal and finish; return the ids of the runs that should be moving."""
    database, now_ms = station.database, station.now_ms()
    recover.recover_host(database, station.settings.spool_dir, station.host, now_ms, station.prices)
    if station.clock.is_steady:  # else it says nothing about leases and heartbeats
        expired_leases(database, now_ms, station.prices)
    settle_stored(station)
    return finish(database, now_ms)


def expired_leases(database: Database, now_ms: int, pricing: Pricing = BY_THE_TABLE) -> None:
    """Take back jobs whose leases ran out and whose holders have gone silent."""
    with database.write() as connection:
        left = leftovers.expired(connection, now_ms, ROWS_MAX, alive_since_ms=now_ms - workers.ALIVE_MS)
        deltas = Deltas(0)
        reclaim(connection, left, now_ms, deltas, pricing)
        deltas.write(connection)


def settle_stored(station: Station) -> None:
    """Judge answers that were stored and not judged, one at a time, each at most three times."""
    with station.database.read() as connection:
        rows = leftovers.unsettled(connection, ROWS_MAX)
    for row in rows:
        with station.database.write() as connection:
            leftovers.try_settling(connection, row.id)
        try:
            settled = _settle(station, settle.subject_of(row), row)
            with station.database.write() as connection:
                deltas = Deltas(0)
                jobs.settled(connection, [settled], deltas)
                deltas.write(connection)
        except Exception:  # the others' answers go on, and this one is tried again
            log.exception("settle.failed job=%d try=%d", row.id, row.settle_tries + 1)


def _settle(station: Station, subject: Subject, row: Row[Any]) -> Settled:
    policy = station.policy(run_of(subject.job_id))
    if row.settle_tries >= settle.TRIES_MAX:
        return settle.unreadable(subject, policy=policy, now_ms=row.received_at_ms)
    return settle.settle(subject, bytes(row.body), policy=policy, now_ms=row.received_at_ms)


def finish(database: Database, now_ms: int) -> list[int]:
    """Finish or pause runs that are done; return those that have jobs on their way."""
    with database.read() as connection:
        moving = runs.at_work(connection)
        done = [run.id for run in moving if run.state is RunState.CANCELLED or runs.is_done(connection, run)]
    finished = set()
    for run_id in done:
        with database.write() as connection:
            if closing.close(connection, run_id, now_ms, Deltas(0)):
                finished.add(run_id)
    return [run.id for run in moving if run.id not in finished]
