"""What the two loops of a worker wait for, and whether they are to end."""

from __future__ import annotations

import asyncio


class Wakeups:
    """One event for each loop. `next_due_ms`: when the next answer may be due, None while none is known."""

    def __init__(self) -> None:
        self.submit = asyncio.Event()
        self.collect = asyncio.Event()
        self.next_due_ms: int | None = None
        self.is_stopping = False

    def wake_all(self) -> None:
        """Wake both loops."""
        self.submit.set()
        self.collect.set()

    def wake_collector_at(self, due_at_ms: int) -> None:
        """Wake the collect loop if an answer is due earlier than what it waits for."""
        if self.next_due_ms is None or due_at_ms < self.next_due_ms:
            self.next_due_ms = due_at_ms
            self.collect.set()

    def is_answer_due(self, now_ms: int) -> bool:
        """Return whether an answer may be fetched now."""
        return self.next_due_ms is not None and self.next_due_ms <= now_ms
