"""What a measure says: figures with their yardsticks from the same run, and whether they are good enough."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of the table.

    `found` and `beside` (the yardstick) are told as they are written, with units. `met` None: nothing is
    asked of it. `runs`: of how many it is the median.
    """

    what: str
    found: str
    beside: str = ""
    asked: str = ""
    met: bool | None = None
    runs: int = 1


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Tell a median, and from where to where the values went."""
    middle = f"{statistics.median(values):,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"
