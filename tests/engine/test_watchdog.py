"""The watchdog ends a process that makes no progress, and no other."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.engine.process.watchdog import (
    EACH_S,
    HEALTHY_SLICE_S,
    LOOP_PATIENCE_S,
    SLICE_PATIENCE_S,
    Watchdog,
)
from runner.rules.errors import Unreachable
from runner.rules.liveness import LivenessProbe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG_S = 600.0  # more than any patience


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


def away() -> None:
    """Be a Redis that is not there."""
    raise Unreachable("Redis does not answer", fix="")


def lost() -> None:
    """Be a Redis that takes pings, and no consumer gets them."""


class Watched:
    """A process with a watchdog whose clock moves by hand."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ping: Callable[[], None] = away) -> None:
        self.now_s = 1000.0
        self.loop, self.is_blocked = loop, False
        self.dog = Watchdog(loop, ping, lambda: None, now_s=lambda: self.now_s)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Let the loop answer nothing in the block."""
        goes_on = threading.Event()
        self.loop.call_soon_threadsafe(goes_on.wait)
        self.is_blocked = True
        try:
            yield
        finally:
            goes_on.set()

    def look(self, for_s: float = LONG_S) -> str | None:
        """Let time go by with a look every EACH_S; return why the process has to end, at the first time."""
        until_s = self.now_s + for_s
        while self.now_s < until_s:
            self.now_s += EACH_S
            if why := self.dog.look():
                return why
            if not self.is_blocked:  # what it was asked was answered
                asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self.loop).result()
        return None


def test_pings_that_never_come_back_end_the_process(loop: asyncio.AbstractEventLoop) -> None:
    """Redis takes them, and the consumer hangs."""
    assert "pings" in (Watched(loop, lost).look() or "")


def test_a_process_that_waits_for_redis_goes_on(loop: asyncio.AbstractEventLoop) -> None:
    """No ping can come back while Redis is away."""
    assert Watched(loop, away).look() is None


def test_a_process_whose_pings_come_back_goes_on(loop: asyncio.AbstractEventLoop) -> None:
    """Each before the next one is sent."""

    def comes_back() -> None:
        watched.dog.ping_came()

    watched = Watched(loop, comes_back)
    assert watched.look() is None


def test_a_loop_that_stands_still_ends_the_process(loop: asyncio.AbstractEventLoop) -> None:
    """Something blocks it; a moment is no reason."""
    watched = Watched(loop)
    with watched.standing_still():
        assert watched.look(LOOP_PATIENCE_S) is None
        assert "event loop" in (watched.look() or "")


def test_a_process_that_was_frozen_is_asked_again(loop: asyncio.AbstractEventLoop) -> None:
    """As a whole, with its loop and its consumer: neither could answer."""
    watched = Watched(loop, lost)
    with watched.standing_still():
        assert watched.look(EACH_S) is None
        watched.now_s += LONG_S
        assert watched.look(EACH_S) is None


def test_time_slices_of_a_loop_that_only_fail_end_the_process(loop: asyncio.AbstractEventLoop) -> None:
    """Those of the other loop do not count; one that ended well in between does."""
    watched = Watched(loop)
    for ended, why in (("submit", None), ("collect", "every submit time slice fails")):
        watched.dog.slice_failed("submit", 0.0)
        watched.dog.slice_ended(ended)
        watched.now_s += SLICE_PATIENCE_S
        if why is not None:
            watched.dog.slice_failed("submit", 0.0)
        assert watched.look(EACH_S) == why


@pytest.mark.parametrize(("ran_s", "is_ended"), [(HEALTHY_SLICE_S - 0.1, True), (HEALTHY_SLICE_S, False)])
def test_a_time_slice_that_failed_late_made_progress(
    loop: asyncio.AbstractEventLoop, ran_s: float, is_ended: bool
) -> None:
    """Patience begins again with it."""
    watched = Watched(loop)
    watched.dog.slice_failed("submit", 0.0)
    watched.now_s += SLICE_PATIENCE_S
    watched.dog.slice_failed("submit", ran_s)
    assert (watched.look(EACH_S) is not None) is is_ended


def test_a_loop_that_runs_again_is_not_ended_for_an_old_failure(loop: asyncio.AbstractEventLoop) -> None:
    """A time slice may run for longer than the patience with failing ones."""
    watched = Watched(loop)
    watched.dog.slice_failed("submit", 0.0)
    assert watched.look() is None


def test_a_supervised_task_that_cannot_run_ends_the_process(loop: asyncio.AbstractEventLoop) -> None:
    """The supervisor says which, and the thread of the watchdog does it."""
    ended_for, over = list[str](), threading.Event()

    def end(why: str) -> None:
        ended_for.append(why)
        over.set()

    why = "the task heartbeat keeps failing"
    dog = Watchdog(loop, away, lambda: why, end, each_s=0.01)
    dog.start()
    assert over.wait(120)
    dog.stop()
    assert ended_for[0] == why


def test_a_watchdog_that_fails_itself_ends_the_process(loop: asyncio.AbstractEventLoop) -> None:
    """Else nobody would notice that nothing is watched."""

    def broken() -> None:
        raise RuntimeError("no thread left")

    assert Watched(loop, broken).look() == "the watchdog itself failed: no thread left"


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
