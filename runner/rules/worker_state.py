"""What a worker process does, as far as its row in the table `workers` shows."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class WorkerState(StrEnum):
    """`silent`: no heartbeat came for a while, and no end is on record. `draining`: it ends when it can."""

    ALIVE = "alive"
    DRAINING = "draining"
    SILENT = "silent"
    ENDED = "ended"


class WorkerSince(NamedTuple):
    """The state of a worker, and since when."""

    state: WorkerState
    since_ms: int


def worker_state_since(
    *,
    started_ms: int,
    seen_ms: int,
    ended_ms: int | None,
    draining_ms: int | None,
    alive_since_ms: int,
    is_engine_alive: bool | None,
) -> WorkerSince:
    """Return what a worker does, and since when; all times by the database's clock.

    A worker whose last heartbeat is older than `alive_since_ms` is silent. `is_engine_alive` is that of a
    state folder, without which no worker lives, however fresh its heartbeat; None with shared servers.
    """
    if ended_ms is not None:
        return WorkerSince(WorkerState.ENDED, ended_ms)
    if seen_ms < alive_since_ms or is_engine_alive is False:
        return WorkerSince(WorkerState.SILENT, seen_ms)
    if draining_ms is not None:
        return WorkerSince(WorkerState.DRAINING, draining_ms)
    return WorkerSince(WorkerState.ALIVE, started_ms)
