"""Slots for polls: waited for without a connection, and given up in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from run_driver import new_run
from runtimes import opened_worker
from valkey_server import ValkeyServer, valkey_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtimes import OpenedWorker

    from runner.db.session import Database

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    with valkey_server() as running:
        yield running


@pytest.fixture
def worker(
    database: Database, database_url: str, tmp_path: Path, server: ValkeyServer
) -> Iterator[OpenedWorker]:
    """Open a worker of a team that may send one request a minute, with one run."""
    with opened_worker(
        database, database_url, tmp_path, RUNNER_REDIS_URL=server.url, RUNNER_TEAM_RPM="1"
    ) as opened:
        opened.set_team("team")
        opened.run(opened.shared.team._take("team"))  # with the limits of the settings
        new_run(database, 1)
        opened.read_runs()
        yield opened


def test_a_slot_comes_at_its_time_or_not_at_all(worker: OpenedWorker) -> None:
    """The first is there at once; while the next is waited for, the time runs out."""
    slots, left = worker.shared.slots, [True, True, False]
    first = worker.run(slots.for_poll("grok-4.3", lambda: True))
    assert first is not None
    assert first.bucket == "team:grok-4.3"

    assert worker.run(slots.for_poll("grok-4.3", lambda: left.pop(0))) is None
    assert left == []


def test_without_redis_there_is_none(worker: OpenedWorker, server: ValkeyServer) -> None:
    """The poll is postponed."""
    server.stop()
    assert worker.run(worker.shared.slots.for_poll("grok-4.3", lambda: True)) is None
