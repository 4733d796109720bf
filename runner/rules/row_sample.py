"""A random sample of rows that is the same on every machine: row numbers are ranked by a hash."""

from __future__ import annotations

from array import array
from hashlib import blake2b
from heapq import heappush, heappushpop

_RANK_BYTES = 8


class RowSample:
    """The `size` rows with the lowest ranks of those that are added. 100 bytes a chosen row."""

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._key = seed.to_bytes(_RANK_BYTES, "big")
        self._heap: list[tuple[int, int]] = []  # (-rank, -row), the highest rank first

    def add(self, row: int) -> None:
        """Add the number of a row, from 1; each once."""
        digest = blake2b(row.to_bytes(_RANK_BYTES, "big"), digest_size=_RANK_BYTES, key=self._key).digest()
        entry = (-int.from_bytes(digest, "big"), -row)
        if len(self._heap) < self._size:
            heappush(self._heap, entry)
        else:
            heappushpop(self._heap, entry)

    def rows(self) -> array[int]:
        """Return the numbers of the chosen rows, ascending."""
        return array("Q", sorted(-row for _, row in self._heap))
