"""A problem and its fix as one value, so that every command words it the same way."""

from __future__ import annotations

from typing import NamedTuple


class Advice(NamedTuple):
    """A problem and its fix. `what` is the first half of a sentence; `fix` is "" if nothing can be done."""

    what: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.what}; {self.fix}" if self.fix else self.what
