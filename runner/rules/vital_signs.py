"""Vital signs: questions that a living process answers within a time; one that stays silent is stuck."""

from __future__ import annotations


class VitalSign:
    """One such question, asked again and again; times are of any steady clock, in seconds."""

    def __init__(self, name: str, patience_s: float) -> None:
        self.name, self.patience_s = name, patience_s
        self._since_s: float | None = None

    def ask(self, now_s: float) -> None:
        """Note that it was asked; the first question without an answer counts."""
        if self._since_s is None:
            self._since_s = now_s

    def answer(self) -> None:
        """Note an answer, or that nobody can expect one; callable from any thread."""
        self._since_s = None

    def is_lost(self, now_s: float) -> bool:
        """Say whether the answer has been awaited for too long."""
        since_s = self._since_s
        return since_s is not None and now_s - since_s > self.patience_s
