"""The jobs that this process is sending or fetching: one task for each, from its start to its last write."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from runner.engine.process.supervisor import log_failure

if TYPE_CHECKING:
    from collections.abc import Coroutine


class InFlight:
    """Starts the tasks and holds them: asyncio keeps only weak references. Belongs to one event loop."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], int] = {}

    def start(self, name: str, job_id: int, work: Coroutine[Any, Any, None]) -> None:
        """Start the task of one job; its error is logged."""
        task = asyncio.get_running_loop().create_task(work, name=f"{name} {job_id}")
        self._tasks[task] = job_id
        task.add_done_callback(self._ended)

    def job_ids(self) -> set[int]:
        """Return the ids of the jobs."""
        return set(self._tasks.values())

    async def wait_until_none(self, timeout_s: float) -> None:
        """Wait until all tasks have ended, those too that start meanwhile; at most `timeout_s`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        while self._tasks and loop.time() < until:
            await asyncio.wait(tuple(self._tasks), timeout=until - loop.time())

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        log_failure(task)
