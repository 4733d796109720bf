"""What a worker does, from what its row says."""

from __future__ import annotations

import pytest

from runner.rules.worker_state import WorkerState, worker_state_since

FRESH, STALE, ALIVE_SINCE = 1_000, 10, 500


@pytest.mark.parametrize(
    ("seen", "ended", "draining", "engine", "expected"),
    [
        (FRESH, None, None, None, (WorkerState.ALIVE, 1)),
        (ALIVE_SINCE, None, None, None, (WorkerState.ALIVE, 1)),
        (ALIVE_SINCE - 1, None, None, None, (WorkerState.SILENT, ALIVE_SINCE - 1)),
        (FRESH, None, 700, None, (WorkerState.DRAINING, 700)),
        (STALE, None, 700, None, (WorkerState.SILENT, STALE)),
        (FRESH, 900, 700, None, (WorkerState.ENDED, 900)),
        (STALE, 900, None, None, (WorkerState.ENDED, 900)),
        (FRESH, None, None, True, (WorkerState.ALIVE, 1)),
        (FRESH, None, None, False, (WorkerState.SILENT, FRESH)),
    ],
)
def test_the_state_of_a_worker(
    seen: int,
    ended: int | None,
    draining: int | None,
    engine: bool | None,
    expected: tuple[WorkerState, int],
) -> None:
    """An end on record goes first; without its engine no worker of a state folder lives."""
    found = worker_state_since(
        started_ms=1,
        seen_ms=seen,
        ended_ms=ended,
        draining_ms=draining,
        alive_since_ms=ALIVE_SINCE,
        is_engine_alive=engine,
    )
    assert found == expected
