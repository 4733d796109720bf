"""The loops of a worker work for one time slice at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from run_driver import new_run

if TYPE_CHECKING:
    from runtimes import OpenedWorker

    from runner.db.session import Database

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_of_two_slices_at_once_one_works(database: Database, worker: OpenedWorker) -> None:
    """Two Celery tasks may ask for one at the same moment; the second only wakes the first."""
    new_run(database, 1)
    collector = worker.stages.collector

    async def slices() -> tuple[bool | None, bool | None]:
        first, second = await asyncio.gather(collector.run_slice(0.05), collector.run_slice(0.05))
        return first, second

    assert worker.run(slices()) == (True, None)
    assert worker.run(collector.run_slice(0.05)) is True


def test_without_a_run_at_work_a_slice_ends(worker: OpenedWorker) -> None:
    """Nothing is left to do."""
    assert worker.run(worker.stages.collector.run_slice(3600)) is False
