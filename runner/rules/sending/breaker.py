"""Circuit breaker threshold: when a run pauses because most of its requests cost money for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

WINDOW: Final = 40
BAD_MIN: Final = 20


def is_tripped(last: Sequence[bool]) -> bool:
    """Return whether to pause: of the last 40 requests, at least 20 and more than half are bad.

    `last` has one entry for each submit (or each fetch), oldest first; True is a submit with an unknown
    outcome (or a fetch whose answer was lost). Requests that a crash interrupted must not be in it.
    """
    window = last[-WINDOW:]
    bad = sum(window)
    return bad >= BAD_MIN and 2 * bad > len(window)


def are_most_missing(answered: int, missing: int) -> bool:
    """Return whether to believe a tripped window of fetches: of the answers of its time most are missing."""
    return missing > answered
