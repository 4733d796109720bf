"""A random choice of rows in one pass and flat memory, the same on every machine."""

from __future__ import annotations

from hashlib import blake2b
from heapq import heappush, heapreplace
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
_RANK_BYTES: Final = 8


class RowReservoir(Generic[Item]):
    """Keeps what belongs to the `size` rows with the lowest ranks: hashes of a seed and the row's number.

    So a row is in or out whatever the order in which rows come, and however many there are.
    """

    def __init__(self, size: int, seed: int) -> None:
        """`size` is at least 1, `seed` from 0 and below 2**64."""
        self._size = size
        self._key = seed.to_bytes(_RANK_BYTES, "big")
        self._heap: list[tuple[int, int, Item]] = []  # (-rank, row, item), the highest rank first
        self.seen = 0  # rows that were asked for

    def takes(self, row: int) -> bool:
        """Count a row, and return whether it is among the lowest so far: then `put` it. Once for each row."""
        self.seen += 1
        return len(self._heap) < self._size or -self._rank(row) > self._heap[0][0]

    def put(self, row: int, item: Item) -> None:
        """Keep what belongs to a row, in place of the highest rank where there are `size` already."""
        entry = (-self._rank(row), row, item)
        if len(self._heap) < self._size:
            heappush(self._heap, entry)
        elif entry[0] > self._heap[0][0]:
            heapreplace(self._heap, entry)

    def items(self) -> list[tuple[int, Item]]:
        """Return the kept rows, by number, with what belongs to them."""
        return sorted(((row, item) for _, row, item in self._heap), key=lambda kept: kept[0])

    def _rank(self, row: int) -> int:
        number = row.to_bytes(_RANK_BYTES, "big")
        return int.from_bytes(blake2b(number, digest_size=_RANK_BYTES, key=self._key).digest(), "big")
