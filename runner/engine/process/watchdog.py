"""The watchdog: a thread that ends its process when that makes no progress, so that it is started again.

The event loop must answer. Pings that Redis takes must come back: a consumer that hangs on a broken
connection gets none. Time slices must not only fail, and supervised tasks must run. Jobs in progress are in
the spool.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.rules.errors import UserError
from runner.rules.exit_codes import ExitCode
from runner.rules.liveness import LivenessProbe

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

EACH_S: Final = 5.0
LOOP_PATIENCE_S: Final = 40.0
PING_PATIENCE_S: Final = 40.0
SLICE_PATIENCE_S: Final = 60.0  # the reaper starts several new ones within it
HEALTHY_SLICE_S: Final = 15.0  # a time slice that failed only after this made progress
log = logging.getLogger("runner.watchdog")


@dataclass(slots=True)
class _FailingSlices:
    """The failures in a row of one loop's time slices."""

    loop: str
    since_s: float
    last_s: float = 0.0

    @property
    def name(self) -> str:
        return f"every {self.loop} time slice fails"

    def is_overdue(self, now_s: float) -> bool:
        """Return whether they fail for too long, and still do: not while one has been running for a while."""
        return now_s - self.since_s > SLICE_PATIENCE_S and now_s - self.last_s < HEALTHY_SLICE_S


class Watchdog:
    """`ping` sends this process a message that calls `ping_came`; it raises UserError while Redis is away.

    `stuck` returns which supervised task cannot run, None when all can. `now_s` is a steady clock.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ping: Callable[[], None],
        stuck: Callable[[], str | None],
        end: Callable[[str], None] | None = None,
        each_s: float = EACH_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loop, self._ping, self._stuck = loop, ping, stuck
        self._end, self._each_s, self._now_s = end or end_process, each_s, now_s
        self._answers = LivenessProbe("the event loop does not answer", LOOP_PATIENCE_S)
        self._pings = LivenessProbe("pings that Redis took do not come back", PING_PATIENCE_S)
        self._slices: dict[str, _FailingSlices] = {}
        self._looked_s = now_s()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Start watching."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching: the process ends by itself."""
        self._stopped.set()

    def ping_came(self) -> None:
        """Note that a ping has come back."""
        self._pings.answer()

    def slice_failed(self, name: str, ran_s: float) -> None:
        """Note that a time slice of a loop ended with an error after `ran_s`."""
        failing, now_s = self._slices.get(name), self._now_s()
        if failing is None or ran_s >= HEALTHY_SLICE_S:
            failing = self._slices[name] = _FailingSlices(name, since_s=now_s)
        failing.last_s = now_s

    def slice_ended(self, name: str) -> None:
        """Note that a time slice of a loop ended well, or because a service is away."""
        self._slices.pop(name, None)

    def look(self) -> str | None:
        """Ask once whether all goes on; return why the process has to end, None if it has not."""
        now_s = self._now_s()
        if now_s - self._looked_s > 3 * self._each_s:  # the whole process was frozen: no answer was possible
            self._answers.answer()
            self._pings.answer()
        self._looked_s = now_s
        try:
            self._ask(now_s)
            return self._overdue(self._now_s()) or self._stuck()
        except Exception as error:  # noqa: BLE001 - a thread that watches no more must not go unnoticed
            return f"the watchdog itself failed: {error}"

    def _watch(self) -> None:
        self._looked_s = self._now_s()
        while not self._stopped.wait(self._each_s):
            why = self.look()
            if why is not None and not self._stopped.is_set():
                try:
                    self._end(why)
                except Exception:  # noqa: BLE001 - the process must end all the same
                    end_process(why)

    def _overdue(self, now_s: float) -> str | None:
        probes: list[LivenessProbe | _FailingSlices] = [self._answers, self._pings, *self._slices.values()]
        return next((probe.name for probe in probes if probe.is_overdue(now_s)), None)

    def _ask(self, now_s: float) -> None:
        self._answers.ask(now_s)
        self._loop.call_soon_threadsafe(self._answers.answer)
        self._pings.ask(now_s)
        try:
            self._ping()
        except UserError:
            self._pings.answer()


def end_process(why: str, code: int = ExitCode.BUG) -> None:
    """End this process at once with an exit code; its parent or service manager starts another."""
    log.error("worker.stuck cause=%s", why)
    for handler in logging.getLogger().handlers:
        handler.flush()
    os._exit(code)
