"""What is wrong, and what to do about it: the one form of a sentence that several faces tell."""

from __future__ import annotations

from typing import NamedTuple


class Advice(NamedTuple):
    """`what` happened, as the begin of a sentence; `fix` says what to do, "" where nothing can be done."""

    what: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.what}; {self.fix}" if self.fix else self.what
