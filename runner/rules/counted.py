"""A number with its noun, in the singular or the plural; and the first of many words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def count(n: int, one: str, many: str | None = None) -> str:
    """Return a number of things: `1 job`, `2,000 jobs`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def listed(words: Sequence[str], most: int) -> str:
    """Return the first words, and how many there are beyond `most`: `a, b and 3 more`."""
    more = f" and {len(words) - most:,} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more
