"""An event loop in virtual time: its clock jumps to the next timer, so that no time is spent waiting."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs tasks that wait only for timers and each other, never for I/O."""

    def __init__(self) -> None:
        self.now = 1_000.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Return the virtual time."""
        return self.now


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        """Advance the virtual time by the timeout; return no events."""
        if timeout is None:
            raise RuntimeError("all tasks wait, and there is no timer")
        self._loop.now += max(timeout, 0.0)
        return []


def play(what: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time; return its result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(what)
