"""The supervisor: a task runs again after an error, the others are left alone, a stuck one is found."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runner.engine.process.supervisor import (
    DELAY_S_MAX,
    FIRST_DELAY_S,
    HEALTHY_AFTER_S,
    PATIENCE_S,
    Supervisor,
    log_failure,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest


class Clock:
    """A clock that moves by what is slept, and keeps how long each restart waited."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.delays_s: list[float] = []

    async def sleep(self, delay_s: float) -> None:
        self.delays_s.append(delay_s)
        self.now_s += delay_s
        await asyncio.sleep(0)

    def supervisor(self) -> Supervisor:
        return Supervisor(lambda: self.now_s, self.sleep)


class Work:
    """Fails as often as it is told to, each time after `runs_s` of the clock; then it goes on for ever."""

    def __init__(self, clock: Clock, *, fails: int = 0, runs_s: float = 0.0) -> None:
        self.starts, self.cancelled = 0, False
        self._clock, self._fails, self._runs_s = clock, fails, runs_s
        self.goes_on = asyncio.Event()

    async def __call__(self) -> None:
        self.starts += 1
        if self.starts <= self._fails:
            self._clock.now_s += self._runs_s
            raise ValueError(f"failure {self.starts}")
        self.goes_on.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled = True


async def until(fact: Callable[[], object]) -> None:
    """Let the loop run until a fact holds."""
    async with asyncio.timeout(120):
        while not fact():  # noqa: ASYNC110 - a fact of many kinds
            await asyncio.sleep(0)


def test_a_task_that_fails_runs_again_and_the_others_are_not_touched(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each error is logged once with its task, cause, restart and traceback; the delay doubles."""

    async def story() -> None:
        clock = Clock()
        supervisor, weak, strong = clock.supervisor(), Work(clock, fails=3), Work(clock)
        supervisor.start("strong", strong)
        supervisor.start("weak", weak)
        await until(weak.goes_on.is_set)
        assert (weak.starts, strong.starts, strong.cancelled) == (4, 1, False)
        assert clock.delays_s == [FIRST_DELAY_S, 2 * FIRST_DELAY_S, 4 * FIRST_DELAY_S]
        await supervisor.close()

    asyncio.run(story())

    assert [record.getMessage() for record in caplog.records] == [
        'task.failed name="weak" cause="failure 1" restart_s=0.1',
        'task.failed name="weak" cause="failure 2" restart_s=0.2',
        'task.failed name="weak" cause="failure 3" restart_s=0.4',
    ]
    assert all(record.exc_info for record in caplog.records)


def test_the_delay_has_a_bound_and_begins_again_after_a_good_while() -> None:
    """A task that ran for HEALTHY_AFTER_S is as good as new; less does not count."""

    async def delays_s(runs_s: float) -> list[float]:
        clock = Clock()
        supervisor, work = clock.supervisor(), Work(clock, fails=9, runs_s=runs_s)
        supervisor.start("work", work)
        await until(work.goes_on.is_set)
        await supervisor.close()
        return clock.delays_s

    growing = asyncio.run(delays_s(HEALTHY_AFTER_S - 1))
    assert growing == [min(FIRST_DELAY_S * 2**n, DELAY_S_MAX) for n in range(9)]
    assert asyncio.run(delays_s(HEALTHY_AFTER_S)) == [FIRST_DELAY_S] * 9


def test_a_task_that_keeps_failing_is_stuck_until_it_runs_well() -> None:
    """Not before PATIENCE_S are over."""

    async def story() -> None:
        clock = Clock()
        supervisor, work = clock.supervisor(), Work(clock, fails=10_000)
        supervisor.start("work", work)
        await until(lambda: work.starts > 1)
        assert supervisor.stuck() is None
        await until(lambda: clock.now_s > PATIENCE_S)
        assert supervisor.stuck() == "the task work keeps failing"
        work._fails = 0
        await until(work.goes_on.is_set)
        clock.now_s += HEALTHY_AFTER_S
        assert supervisor.stuck() is None
        clock.now_s += 2 * PATIENCE_S
        assert supervisor.stuck() is None
        await supervisor.close()

    asyncio.run(story())


def test_a_task_that_stops_without_being_asked_is_seen(caplog: pytest.LogCaptureFixture) -> None:
    """One that returns is run again like one that failed; one that somebody cancelled is stuck at once."""

    async def story() -> None:
        clock = Clock()
        supervisor, starts = clock.supervisor(), []

        async def returns() -> None:
            starts.append(1)

        supervisor.start("short", returns)
        await until(lambda: clock.now_s > PATIENCE_S)
        assert len(starts) > 2
        assert supervisor.stuck() == "the task short keeps failing"
        _, task = supervisor._tasks[0]
        task.cancel()
        await until(task.done)
        assert supervisor.stuck() == "the task short has stopped"
        await supervisor.close()

    asyncio.run(story())

    assert "it returned" in caplog.text


def test_close_cancels_the_last_one_first_and_nothing_runs_again() -> None:
    """Each has ended before the next is cancelled; after that nothing is stuck."""
    ended: list[str] = []

    def named(name: str) -> Callable[[], Awaitable[None]]:
        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                ended.append(name)

        return work

    async def story() -> None:
        supervisor = Clock().supervisor()
        for name in ("first", "second", "third"):
            supervisor.start(name, named(name))
        await asyncio.sleep(0)
        await supervisor.close()
        assert supervisor.stuck() is None
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(story())

    assert ended == ["third", "second", "first"]


def test_the_error_of_a_short_task_is_logged_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    """Not when the garbage collector finds it; a cancelled one has none."""

    async def fails() -> None:
        raise ValueError("some cause")

    async def story() -> None:
        failing, waiting = asyncio.create_task(fails(), name="post 7"), asyncio.create_task(asyncio.sleep(60))
        for task in (failing, waiting):
            task.add_done_callback(log_failure)
        waiting.cancel()
        await asyncio.wait([failing, waiting])
        await asyncio.sleep(0)

    asyncio.run(story())

    (record,) = caplog.records
    assert record.getMessage() == 'task.failed name="post 7" cause="some cause"'
    assert record.exc_info
