"""The workers of shared servers, seen from a command: a run without a worker must not wait silently."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from runner.cli.render.ending_text import availability_text
from runner.db import workers

if TYPE_CHECKING:
    from runner.db.session import Database
    from runner.settings import Settings

_CHECK_S: Final = 1.0


class FleetWatch:
    """Counts workers with a recent heartbeat, at most once a second, and keeps the last result."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_available = True
        self._next_s = 0.0

    def availability_change(self) -> str:
        """Return a message when worker availability changed since the last call, else ''."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return ""
        self._next_s = now_s + _CHECK_S
        was_available, alive = self._is_available, count_live_workers(self._database)
        self._is_available = alive > 0
        return "" if self._is_available == was_available else availability_text(alive)


def count_live_workers(database: Database) -> int:
    """Return how many workers sent a heartbeat lately."""
    since_ms = database.now_ms() - workers.ALIVE_MS
    with database.read() as connection:
        return len(workers.alive(connection, since_ms))


def lacks_workers(database: Database) -> bool:
    """Return whether these are shared servers without a live worker."""
    return not database.is_sqlite and not count_live_workers(database)


def fleet_watch(settings: Settings, database: Database) -> FleetWatch | None:
    """Return a watch of shared servers; None where the engine starts its own workers."""
    return None if settings.embedded else FleetWatch(database)
