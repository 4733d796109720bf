"""Frames: the bytes that stand before and after those of many jobs of a run, stored once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runner.db import bulk

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

FrameKey = tuple[int, int]  # the run, and the number of the frame in it


class StoredFrame(NamedTuple):
    """The bytes before and after those of a job; `frame` is its number in the run."""

    frame: int
    head: bytes
    tail: bytes

    def around(self, body: bytes) -> bytes:
        """Return the whole body of a job."""
        return b"".join((self.head, body, self.tail))


def read(connection: Connection, keys: Collection[FrameKey]) -> dict[FrameKey, StoredFrame]:
    """Return some frames by (run, frame); without keys no query is made."""
    found = bulk.execute(
        connection,
        [("run_id", "INT"), ("frame", "INT")],
        sorted(keys),
        "SELECT frames.run_id, frames.frame, frames.head, frames.tail FROM v"
        " JOIN frames ON frames.run_id = v.run_id AND frames.frame = v.frame",
    )
    return {
        (row.run_id, row.frame): StoredFrame(row.frame, bytes(row.head), bytes(row.tail)) for row in found
    }
