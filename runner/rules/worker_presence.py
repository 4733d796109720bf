"""Whether a run that needs a worker has none, and since when: one rule for all who show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ENGINE_START_MS: Final = 10_000  # a command that starts a run may need this long until its engine is there


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPresence:
    """What is known of workers at one moment.

    `alive`: workers that have not ended and had a heartbeat lately. `seen_ms`: the last heartbeat or end of
    any worker; None where there never was one. `is_engine_alive`: of a state folder, whose engine starts and
    replaces the workers; None with shared servers, which have no engine. `is_engine_ending`: it has no
    command left, finishes what is in flight, and begins nothing.
    """

    alive: int
    seen_ms: int | None
    is_engine_alive: bool | None = None
    is_engine_ending: bool = False

    def missing_since_ms(self, started_ms: int, now_ms: int) -> int | None:
        """Return since when a run that needs a worker has none; None where one is there, or on its way.

        `started_ms`: when the run was last started. In a state folder the engine decides: heartbeats of
        workers that were killed with it look fresh for a while. Without an engine one may just be starting,
        or being started again by the command that follows the run: for ENGINE_START_MS nothing is missing.
        On shared servers workers are started by people, so there is nothing to wait for.
        """
        is_there = self.alive > 0 if self.is_engine_alive is None else self.is_engine_alive
        since_ms = max(started_ms, self.seen_ms or 0)
        if self.is_engine_ending:
            return min(since_ms, now_ms)
        if is_there:
            return None
        if self.is_engine_alive is not None and 0 <= now_ms - since_ms < ENGINE_START_MS:
            return None
        return min(since_ms, now_ms)  # a clock that was set back
