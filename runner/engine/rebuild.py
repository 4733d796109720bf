"""Rebuild: what counts against the limits, read from the attempts, for a Redis that was emptied."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from runner.db import sent_lately as attempts
from runner.db import workers
from runner.limiter.limiter import HORIZON_S, LATE_S_MAX, LimiterUnavailable

if TYPE_CHECKING:
    from runner.engine.station import Station

SEEN_WITHIN_MS = 30_000
JUST_NOW_US = 2_000_000


async def sent_lately(station: Station) -> dict[str, list[tuple[int, int]]]:
    """Return (age_us, tokens) of what was sent of late, by bucket. Raises LimiterUnavailable.

    Others may have slots in hand that nobody knows any more. They use them, or find them too late,
    within a moment; wait for it, so that they are on record.
    """
    await station.team.tell_again()
    rows, others = await station.loop.run_in_executor(None, _read, station)
    if others and any(age_us < JUST_NOW_US for _, age_us, _ in rows):
        await asyncio.sleep(HORIZON_S + LATE_S_MAX)
        rows, _ = await station.loop.run_in_executor(None, _read, station)
    entries: dict[str, list[tuple[int, int]]] = {}
    for model, age_us, used in rows:
        entries.setdefault(station.bucket(model), []).append((age_us, used))
    return entries


def _read(station: Station) -> tuple[list[tuple[str, int, int]], bool]:
    """Read the attempts, and whether others work beside this process."""
    database, now_ms = station.database, station.now_ms()
    try:
        with database.read() as connection:
            alive = workers.alive(connection, now_ms - SEEN_WITHIN_MS)
        return attempts.read(database, now_ms), any(worker.id != station.worker for worker in alive)
    except DBAPIError as error:
        raise LimiterUnavailable(f"it was emptied, and the database does not answer: {error}") from error
