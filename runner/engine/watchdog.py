"""The watchdog: a thread that ends its process when that makes no progress, so that it is started again.

It asks for three signs. The event loop must answer. Hints that Redis takes must come back: a consumer that
hangs on a broken connection never gets any. And turns must not only fail. What is in hand is in the spool.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Final

from runner.rules.errors import UserError
from runner.rules.exit_codes import ExitCode
from runner.rules.vital_signs import VitalSign

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

EACH_S: Final = 5.0
LOOP_PATIENCE_S: Final = 40.0
HINT_PATIENCE_S: Final = 40.0
TURN_PATIENCE_S: Final = 60.0  # several sweeps ring for them
log = logging.getLogger("runner.watchdog")


class Watchdog:
    """`ring` sends this process a hint, which calls `hint_came`. Raises UserError there: Redis is away."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ring: Callable[[], None],
        end: Callable[[str], None] | None = None,
        each_s: float = EACH_S,
    ) -> None:
        self._loop, self._ring, self._end, self._each_s = loop, ring, end or end_process, each_s
        self._answers = VitalSign("the event loop does not answer", LOOP_PATIENCE_S)
        self._hints = VitalSign("hints that Redis took do not come back", HINT_PATIENCE_S)
        self._turns = VitalSign("every turn fails", TURN_PATIENCE_S)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more: the process ends by itself."""
        self._stopped.set()

    def hint_came(self) -> None:
        """Note that a hint has made its way."""
        self._hints.answer()

    def turn_failed(self) -> None:
        """Note a turn that ended with an error of ours."""
        self._turns.ask(time.monotonic())

    def turn_went(self) -> None:
        """Note a turn that went well, or that failed for somebody else's reason."""
        self._turns.answer()

    def _watch(self) -> None:
        looked_s = time.monotonic()
        while not self._stopped.wait(self._each_s):
            now_s = time.monotonic()
            if now_s - looked_s > 3 * self._each_s:  # all of us slept: nobody could answer
                self._answers.answer()
                self._hints.answer()
            looked_s = now_s
            self._ask(now_s)
            for sign in (self._answers, self._hints, self._turns):
                if sign.is_lost(time.monotonic()) and not self._stopped.is_set():
                    self._end(sign.name)
                    return

    def _ask(self, now_s: float) -> None:
        self._answers.ask(now_s)
        self._loop.call_soon_threadsafe(self._answers.answer)
        self._hints.ask(now_s)
        try:
            self._ring()
        except UserError:
            self._hints.answer()


def end_process(why: str) -> None:
    """End this process at once; whoever keeps it alive starts another."""
    log.error("worker.stuck cause=%s", why)
    for handler in logging.getLogger().handlers:
        handler.flush()
    os._exit(ExitCode.BUG)
