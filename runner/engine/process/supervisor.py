"""Supervision of the tasks that live as long as a worker: each runs again after an error, alone.

The submit and collect loops are not among them: Celery tasks drive these and log their errors, and the reaper
starts them again (`runner.worker`). Tasks of one job or one question end by themselves; `log_failure` is for
those.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from runner.db.connection.driver_errors import first_line
from runner.rules.errors import Bug
from runner.rules.liveness import LivenessProbe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FIRST_DELAY_S: Final = 0.1
DELAY_S_MAX: Final = 5.0  # a heartbeat must be back long before others take its worker for dead
HEALTHY_AFTER_S: Final = 15.0  # longer than any task waits between two iterations
PATIENCE_S: Final = 60.0
log = logging.getLogger("runner.supervisor")


class _Supervised:
    """One task: when it was started last, how long its next restart waits, since when it has been failing."""

    def __init__(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self.name, self.work = name, work
        self.delay_s = FIRST_DELAY_S
        self.started_s: float | None = None  # None while it waits for its restart
        self.health = LivenessProbe(f"the task {name} keeps failing", PATIENCE_S)

    def check(self, now_s: float) -> None:
        """Forget earlier errors once the task has run for HEALTHY_AFTER_S."""
        started_s = self.started_s  # read once: the watchdog's thread and the loop both call this
        if started_s is not None and now_s - started_s >= HEALTHY_AFTER_S:
            self.delay_s = FIRST_DELAY_S
            self.health.answer()


class Supervisor:
    """Belongs to one event loop. `now_s` is a steady clock, `sleep` waits between restarts."""

    def __init__(
        self,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._now_s, self._sleep = now_s, sleep
        self._tasks: list[tuple[_Supervised, asyncio.Task[None]]] = []
        self._is_closing = False

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work()` until `close`; call it again after an error, or when it returns."""
        one = _Supervised(name, work)
        self._tasks.append((one, asyncio.get_running_loop().create_task(self._keep_running(one), name=name)))

    def stuck(self) -> str | None:
        """Return why a task cannot run, as a sentence; None while all can. Callable from any thread."""
        now_s = self._now_s()
        for one, task in () if self._is_closing else tuple(self._tasks):
            if task.done():
                return f"the task {one.name} has stopped"
            one.check(now_s)
            if one.health.is_overdue(now_s):
                return one.health.name
        return None

    async def close(self) -> None:
        """Cancel the tasks, the last one started first, each after the one before has ended."""
        self._is_closing = True
        for _, task in reversed(self._tasks):
            task.cancel()
            await asyncio.wait([task])

    async def _keep_running(self, one: _Supervised) -> None:
        while True:
            one.started_s = self._now_s()
            try:
                await one.work()
                error: Exception = Bug("it returned, although it has no end")
            except Exception as raised:  # noqa: BLE001 - whatever it is, the task runs again
                error = raised
            await self._wait_after(one, error)

    async def _wait_after(self, one: _Supervised, error: Exception) -> None:
        """Log an error and wait for the restart, twice as long each time until the task runs well."""
        now_s = self._now_s()
        one.check(now_s)
        one.health.ask(now_s)
        one.started_s, delay_s = None, one.delay_s
        one.delay_s = min(delay_s * 2, DELAY_S_MAX)
        log.error(
            'task.failed name="%s" cause="%s" restart_s=%.1f',
            one.name,
            first_line(error),
            delay_s,
            exc_info=error,
        )
        await self._sleep(delay_s)


def log_failure(task: asyncio.Task[Any]) -> None:
    """Log the error that ended a short-lived task; a done callback."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.error('task.failed name="%s" cause="%s"', task.get_name(), first_line(error), exc_info=error)
