"""Liveness probes: questions that a working process answers within a time."""

from __future__ import annotations


class LivenessProbe:
    """One question, asked again and again; times are of any steady clock, in seconds."""

    def __init__(self, name: str, patience_s: float) -> None:
        self.name, self.patience_s = name, patience_s
        self._since_s: float | None = None

    def ask(self, now_s: float) -> None:
        """Note the time of a question; only the first one without an answer counts."""
        if self._since_s is None:
            self._since_s = now_s

    def answer(self) -> None:
        """Note an answer, or that none can be expected; callable from any thread."""
        self._since_s = None

    def is_overdue(self, now_s: float) -> bool:
        """Return whether the answer is missing for longer than the patience."""
        since_s = self._since_s
        return since_s is not None and now_s - since_s > self.patience_s
