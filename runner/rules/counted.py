"""A number with its noun, in the singular or the plural."""

from __future__ import annotations


def count(n: int, one: str, many: str | None = None) -> str:
    """Return a number of things: `1 job`, `2,000 jobs`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
