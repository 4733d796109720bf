"""The workers of shared servers, seen from a command: a run must not wait in silence for nobody."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from runner.db import workers

if TYPE_CHECKING:
    from runner.db.session import Database
    from runner.settings import Settings

LOOK_S: Final = 1.0
NOBODY: Final = "no worker is alive: nothing is sent or fetched until one is; start one: runner worker"


class Crew:
    """Remembers what was said last."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_there = True
        self._next_s = 0.0

    def alive(self) -> int:
        """Count the workers that gave a sign of life lately."""
        since_ms = self._database.now_ms() - workers.ALIVE_MS
        with self._database.read() as connection:
            return len(workers.alive(connection, since_ms))

    def news(self) -> str:
        """Say that nobody is there, or somebody again; nothing where that was said."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return ""
        self._next_s = now_s + LOOK_S
        was_there, alive = self._is_there, self.alive()
        self._is_there = alive > 0
        if self._is_there == was_there:
            return ""
        return f"{alive} worker{'s' * (alive > 1)} at work" if self._is_there else NOBODY


def nobody_works(database: Database) -> bool:
    """Say whether shared servers have no worker that is alive."""
    return not database.is_sqlite and not Crew(database).alive()


def crew_of(settings: Settings, database: Database) -> Crew | None:
    """Give the crew of shared servers; None where the engine sees to its workers."""
    return None if settings.embedded else Crew(database)
