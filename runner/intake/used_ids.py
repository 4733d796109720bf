"""The ids used so far in one file, with the line that used each first, in little memory."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from runner.rules.diagnostics import Diagnostic
from runner.rules.json_text.json_faults import shortened

_BUCKETS: Final = 65_536
_HASH_BYTES: Final = (
    8  # with the bucket's 16 bits: 80 bits; two of 5 million ids collide with a chance of 10^-11
)
_LINE_BYTES: Final = 4
_LINE_MAX: Final = (1 << 8 * _LINE_BYTES) - 1  # a run has no more jobs
_ENTRY_BYTES: Final = _HASH_BYTES + _LINE_BYTES


class UsedIds:
    """A set of ids by their hashes, 12 bytes each and some overhead: a million take about 20 MB.

    A bucket is a bytearray of (hash, line) entries; a lookup in it is a search for bytes, done in C.
    """

    def __init__(self) -> None:
        self._buckets: list[bytearray | None] = [None] * _BUCKETS

    def add(self, custom_id: str, line: int) -> Diagnostic | None:
        """Add the id that `line` uses; return a diagnostic where an earlier line uses it, else None."""
        first = self.first_use(custom_id, line)
        return None if first is None else _used_twice(custom_id, line, first)

    def first_use(self, custom_id: str, line: int) -> int | None:
        """Add the id that `line` (or row) uses; return the earlier one that uses it, else None."""
        digest = blake2b(custom_id.encode(), digest_size=2 + _HASH_BYTES).digest()
        index, hashed = digest[0] << 8 | digest[1], digest[2:]
        bucket = self._buckets[index]
        if bucket is None:
            bucket = self._buckets[index] = bytearray()
        at = bucket.find(hashed)
        while at >= 0 and at % _ENTRY_BYTES:
            at = bucket.find(hashed, at + 1)
        if at < 0:
            bucket += hashed + min(line, _LINE_MAX).to_bytes(_LINE_BYTES, "big")
            return None
        return int.from_bytes(bucket[at + _HASH_BYTES : at + _ENTRY_BYTES], "big")


def _used_twice(custom_id: str, line: int, first_line: int) -> Diagnostic:
    return Diagnostic(
        line=line,
        column=None,
        code="duplicate-id",
        reason=f'custom_id "{shortened(custom_id)}" was already used on line {first_line}',
        fix="give each job an id of its own",
        severity="refused",
    )
