"""What a worker must know to work on a run: words in `runs.needs`, which a newer version may extend."""

from __future__ import annotations

from typing import Final

LABELS: Final = "labels"  # checks answers by the schema of the labels, and asks again
KNOWN: Final = frozenset({LABELS})


def are_known(needs: str | None) -> bool:
    """Return whether this version knows all words, which have spaces between them; None is no word."""
    return set((needs or "").split()) <= KNOWN
