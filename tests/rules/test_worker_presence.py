"""Since when a run that needs a worker has none: in a state folder, and on shared servers."""

from __future__ import annotations

import pytest

from runner.rules.worker_presence import ENGINE_START_MS, WorkerPresence

NOW = 1_800_000_000_000
HOUR = 3_600_000
GRACE = ENGINE_START_MS


@pytest.mark.parametrize(
    ("is_engine_alive", "alive", "seen_ago", "started_ago", "missing_ago"),
    [
        # a state folder with an engine: at work, starting (no worker yet), ending (its workers have ended)
        (True, 1, 2_000, HOUR, None),
        (True, 0, None, 50, None),
        (True, 0, HOUR, HOUR, None),
        # kill -9 of everything: the last heartbeat looks fresh for a while
        (False, 1, GRACE, HOUR, GRACE),
        (False, 1, 29_000, HOUR, 29_000),
        (False, 0, 8 * HOUR, 9 * HOUR, 8 * HOUR),
        # an engine has just ended or was killed: the command that follows the run starts another one
        (False, 1, 4_000, HOUR, None),
        (False, 0, GRACE - 1, HOUR, None),
        # a run was just started: its engine is on its way, then it is not
        (False, 0, None, 300, None),
        (False, 0, 8 * HOUR, 300, None),
        (False, 0, None, GRACE, GRACE),
        (False, 0, 8 * HOUR, 2 * HOUR, 2 * HOUR),
        # a clock that was set back: no time in the future is named
        (False, 0, -HOUR, HOUR, 0),
        # shared servers: at work, in its last seconds, ended, silent for too long, never there
        (None, 2, 4_000, HOUR, None),
        (None, 1, 29_999, HOUR, None),
        (None, 0, 4_000, HOUR, 4_000),
        (None, 0, 31_000, HOUR, 31_000),
        (None, 0, None, 300, 300),
        (None, 0, 8 * HOUR, 300, 300),
    ],
)
def test_a_worker_is_missing_only_where_none_is_there_or_on_its_way(
    is_engine_alive: bool | None, alive: int, seen_ago: int | None, started_ago: int, missing_ago: int | None
) -> None:
    """All times in milliseconds before now."""
    presence = WorkerPresence(
        alive=alive,
        seen_ms=None if seen_ago is None else NOW - seen_ago,
        is_engine_alive=is_engine_alive,
    )

    found = presence.missing_since_ms(NOW - started_ago, NOW)

    assert found == (None if missing_ago is None else NOW - missing_ago)


def test_an_engine_without_a_command_begins_nothing_more() -> None:
    """Its workers are alive for a minute and finish what is in flight; nobody works on the run."""
    presence = WorkerPresence(alive=1, seen_ms=NOW - 50, is_engine_alive=True, is_engine_ending=True)

    assert presence.missing_since_ms(NOW - HOUR, NOW) == NOW - 50
