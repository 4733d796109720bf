"""When a run stops by itself, because going on would mostly spend money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

WINDOW: Final = 40
BAD_MIN: Final = 20


def tripped(last: Sequence[bool]) -> bool:
    """Judge submits (or fetches), oldest first; True is one that ended ambiguous (or lost).

    Leave out what a crash left behind. Of the last 40, at least 20 and more than half have to be bad.
    """
    window = last[-WINDOW:]
    bad = sum(window)
    return bad >= BAD_MIN and 2 * bad > len(window)
