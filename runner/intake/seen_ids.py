"""The ids seen so far in one file, in little memory: which line used one first."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from runner.rules.findings import Finding
from runner.rules.json_faults import shortened

_BUCKETS: Final = 65_536
_MARK_BYTES: Final = (
    8  # with the bucket's 16 bits: 80 bits; two of 5 million ids clash with a chance of 10^-11
)
_LINE_BYTES: Final = 4
_LINE_MAX: Final = (1 << 8 * _LINE_BYTES) - 1  # a run has no more jobs
_ENTRY_BYTES: Final = _MARK_BYTES + _LINE_BYTES


class SeenIds:
    """Ids by their hash, 12 bytes each and some slack: a million take about 20 MB.

    A bucket is a plain run of entries; finding one in it is a search for bytes, done in C.
    """

    def __init__(self) -> None:
        self._buckets: list[bytearray | None] = [None] * _BUCKETS

    def add(self, custom_id: str, line: int) -> Finding | None:
        """Remember that `line` uses `custom_id`; give the refusal where an earlier line does already."""
        digest = blake2b(custom_id.encode(), digest_size=2 + _MARK_BYTES).digest()
        place, mark = digest[0] << 8 | digest[1], digest[2:]
        bucket = self._buckets[place]
        if bucket is None:
            bucket = self._buckets[place] = bytearray()
        at = bucket.find(mark)
        while at >= 0 and at % _ENTRY_BYTES:
            at = bucket.find(mark, at + 1)
        if at < 0:
            bucket += mark + min(line, _LINE_MAX).to_bytes(_LINE_BYTES, "big")
            return None
        return _used_twice(
            custom_id, line, int.from_bytes(bucket[at + _MARK_BYTES : at + _ENTRY_BYTES], "big")
        )


def _used_twice(custom_id: str, line: int, first_line: int) -> Finding:
    return Finding(
        line=line,
        column=None,
        code="duplicate-id",
        reason=f'custom_id "{shortened(custom_id)}" was already used on line {first_line}',
        fix="give each job an id of its own",
        severity="refused",
    )
