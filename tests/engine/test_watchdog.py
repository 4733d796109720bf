"""The watchdog ends a process that makes no progress, and no other."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.engine import watchdog
from runner.engine.watchdog import Watchdog
from runner.rules.errors import Unreachable
from runner.rules.liveness import LivenessProbe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EACH_S = 0.01


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Give a loop that runs in a thread."""
    running = asyncio.new_event_loop()
    thread = threading.Thread(target=running.run_forever, daemon=True)
    thread.start()
    yield running
    running.call_soon_threadsafe(running.stop)
    thread.join()
    running.close()


class Watched:
    """A watchdog with patience for a moment, and what it did."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ping: Callable[[Watched], None],
        stuck: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.pings = 0
        self.ended_for = ""
        self.over = threading.Event()
        self.pinged = threading.Event()
        self._ping = ping
        self.dog = Watchdog(loop, self._pings, stuck, self._end, EACH_S)
        self.dog.start()

    def _pings(self) -> None:
        self.pings += 1
        if self.pings == 30:
            self.pinged.set()
        self._ping(self)

    def _end(self, why: str) -> None:
        self.ended_for = why
        self.over.set()


def away(_: Watched) -> None:
    """Be a Redis that is not there."""
    raise Unreachable("Redis does not answer", fix="")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOP_PATIENCE_S", "PING_PATIENCE_S", "SLICE_PATIENCE_S"):
        monkeypatch.setattr(watchdog, name, 0.2)


def test_pings_that_never_come_back_end_the_process(loop: asyncio.AbstractEventLoop) -> None:
    """Redis takes them, and the consumer hangs."""
    watched = Watched(loop, lambda _: None)
    assert watched.over.wait(10)
    assert "pings" in watched.ended_for


@pytest.mark.parametrize("ping", [away, lambda watched: watched.dog.ping_came()], ids=["away", "well"])
def test_a_process_that_is_well_or_waits_for_redis_goes_on(
    loop: asyncio.AbstractEventLoop, ping: Callable[[Watched], None]
) -> None:
    """No ping can come back while Redis is away."""
    watched = Watched(loop, ping)
    assert watched.pinged.wait(10)
    watched.dog.stop()
    assert not watched.over.is_set()


def test_a_loop_that_stands_still_ends_the_process(loop: asyncio.AbstractEventLoop) -> None:
    """Something blocks it."""
    blocked = threading.Event()
    loop.call_soon_threadsafe(blocked.wait)
    watched = Watched(loop, away)
    assert watched.over.wait(10)
    blocked.set()
    assert "event loop" in watched.ended_for


def test_time_slices_of_a_loop_that_only_fail_end_the_process(loop: asyncio.AbstractEventLoop) -> None:
    """Those of the other loop do not count; one that ended well in between does."""
    watched = Watched(loop, away)
    watched.dog.slice_failed("submit", 0.0)
    watched.dog.slice_ended("submit")
    assert watched.pinged.wait(10)
    assert not watched.over.is_set()
    watched.dog.slice_failed("submit", 0.0)
    watched.dog.slice_ended("collect")
    assert watched.over.wait(10)
    assert "submit" in watched.ended_for


def test_a_time_slice_that_failed_late_made_progress(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patience begins again with it."""
    monkeypatch.setattr(watchdog, "SLICE_PATIENCE_S", 0.0)
    watched = Watched(loop, away)
    watched.dog.stop()
    watched.dog.slice_failed("submit", 0.0)
    first = watched.dog._slices["submit"].since_s
    watched.dog.slice_failed("submit", watchdog.HEALTHY_SLICE_S - 0.1)
    assert watched.dog._slices["submit"].since_s == first
    watched.dog.slice_failed("submit", watchdog.HEALTHY_SLICE_S)
    assert watched.dog._slices["submit"].since_s != first


def test_a_loop_that_runs_again_is_not_ended_for_an_old_failure(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time slice may run for longer than the patience with failing ones."""
    monkeypatch.setattr(watchdog, "SLICE_PATIENCE_S", 0.0)
    monkeypatch.setattr(watchdog, "HEALTHY_SLICE_S", 0.0)
    watched = Watched(loop, away)
    watched.dog.slice_failed("submit", -1.0)
    assert watched.pinged.wait(10)
    assert not watched.over.is_set()


def test_a_supervised_task_that_cannot_run_ends_the_process(loop: asyncio.AbstractEventLoop) -> None:
    """The supervisor says which."""
    watched = Watched(loop, away, lambda: "the task heartbeat keeps failing")
    assert watched.over.wait(10)
    assert watched.ended_for == "the task heartbeat keeps failing"


@given(
    st.lists(st.tuples(st.sampled_from(["ask", "answer"]), st.floats(0, 100)), max_size=20), st.floats(0, 100)
)
def test_an_answer_is_overdue_when_the_first_open_question_is_too_old(
    steps: list[tuple[str, float]], patience_s: float
) -> None:
    """Later questions do not make it younger."""
    probe, now_s, since_s = LivenessProbe("", patience_s), 0.0, None
    for what, wait_s in steps:
        now_s += wait_s
        if what == "ask":
            probe.ask(now_s)
            since_s = now_s if since_s is None else since_s
        else:
            probe.answer()
            since_s = None
        assert probe.is_overdue(now_s) == (since_s is not None and now_s - since_s > patience_s)
