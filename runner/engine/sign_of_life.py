"""Each worker's sign of life: every few seconds it says that it lives, and looks after what it holds itself.

While a worker gives signs nobody takes its leases: only it knows what is in its hands. A job of its own
that it does not hold any more, with a lease that ran out, it takes back by itself.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from runner.db import leases, leftovers, workers
from runner.db.trouble import is_away
from runner.engine import recover
from runner.rules.states import JobState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.db.counters import Deltas
    from runner.engine.doubt import Pricing
    from runner.engine.station import Station

SIGN_S: Final = 5.0
log = logging.getLogger("runner.station")


async def run(station: Station) -> None:
    """Give signs until cancelled."""
    while True:
        await asyncio.sleep(SIGN_S)
        try:
            jump_ms = await station.loop.run_in_executor(None, station.clock.look)
        except DBAPIError as error:
            if not is_away(error):
                raise
            continue  # the committer tells of it
        if jump_ms:
            log.warning("clock.jumped seconds=%.1f", jump_ms / 1000)
        held = station.held()
        await station.committer.ask(lambda c, d, h=held, j=jump_ms: sign(c, d, station, h, j))  # type: ignore[misc]


def sign(connection: Connection, deltas: Deltas, station: Station, held: set[int], jump_ms: int) -> None:
    """Say that the worker lives; take back what it has lost, and what a jump of the clock put off."""
    now_ms = station.now_ms()
    workers.seen(connection, station.worker, now_ms)
    if jump_ms < 0:
        leases.make_due(connection, now_ms)
    if not station.clock.is_steady:
        return
    overdue = leftovers.overdue(connection, station.worker, now_ms)
    lost = [job for job in overdue if job.lease.job_id not in held]
    take_back(connection, lost, now_ms, deltas, station.prices)


def take_back(
    connection: Connection,
    left: list[leftovers.Leftover],
    now_ms: int,
    deltas: Deltas,
    pricing: Pricing,
) -> None:
    """Move jobs out of hands that lost them: in doubt if they were being sent, else asked for again."""
    if not left:
        return
    submitting = [job for job in left if job.state is JobState.SUBMITTING]
    collecting = [job for job in left if job.state is JobState.COLLECTING]
    doubtful = recover.doubtful(connection, submitting, now_ms, deltas, pricing)
    again = recover.fetch_again(connection, collecting, now_ms, deltas)
    log.warning("lease.expired submitting=%d collecting=%d", len(doubtful), len(again))
