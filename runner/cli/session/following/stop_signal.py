"""Ctrl-C and SIGTERM while a run is followed: the first requests a stop, the second stops at once."""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING, Any, Self

from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignal:
    """Within its `with` block a first signal sets `requested`; a second one does what it did outside.

    `wait` returns at once when a signal comes.
    """

    def __init__(self) -> None:
        self.requested: ExitCode | None = None

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._before: dict[int, Any] = {number: signal.signal(number, self._on) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()
        os.close(self._read)
        os.close(self._write)

    def wait(self, seconds: float) -> ExitCode | None:
        """Wait, but no longer than until a signal requests a stop; return `requested`."""
        if self.requested is None:
            select.select([self._read], [], [], seconds)
        return self.requested

    def _on(self, number: int, _frame: FrameType | None) -> None:
        self.requested = ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED
        self._restore()
        os.write(self._write, b"!")

    def _restore(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
