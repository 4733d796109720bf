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
from runner.rules.vital_signs import VitalSign

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

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[Watched], None]) -> None:
        self.rings = 0
        self.ended_for = ""
        self.over = threading.Event()
        self.rung = threading.Event()
        self._ring = ring
        self.dog = Watchdog(loop, self._rings, self._end, EACH_S)
        self.dog.start()

    def _rings(self) -> None:
        self.rings += 1
        if self.rings == 30:
            self.rung.set()
        self._ring(self)

    def _end(self, why: str) -> None:
        self.ended_for = why
        self.over.set()


def away(_: Watched) -> None:
    """Be a Redis that is not there."""
    raise Unreachable("Redis does not answer", fix="")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOP_PATIENCE_S", "HINT_PATIENCE_S", "TURN_PATIENCE_S"):
        monkeypatch.setattr(watchdog, name, 0.2)


def test_hints_that_never_come_back_end_the_process(loop: asyncio.AbstractEventLoop) -> None:
    """Redis takes them, and the consumer hangs."""
    watched = Watched(loop, lambda _: None)
    assert watched.over.wait(10)
    assert "hints" in watched.ended_for


@pytest.mark.parametrize("ring", [away, lambda watched: watched.dog.hint_came()], ids=["away", "well"])
def test_a_process_that_is_well_or_waits_for_redis_goes_on(
    loop: asyncio.AbstractEventLoop, ring: Callable[[Watched], None]
) -> None:
    """Nobody can expect hints while Redis is away."""
    watched = Watched(loop, ring)
    assert watched.rung.wait(10)
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


def test_turns_that_only_fail_end_the_process(loop: asyncio.AbstractEventLoop) -> None:
    """One that went well in between begins anew."""
    watched = Watched(loop, away)
    watched.dog.turn_failed()
    watched.dog.turn_went()
    assert watched.rung.wait(10)
    assert not watched.over.is_set()
    watched.dog.turn_failed()
    assert watched.over.wait(10)
    assert "turn" in watched.ended_for


@given(
    st.lists(st.tuples(st.sampled_from(["ask", "answer"]), st.floats(0, 100)), max_size=20), st.floats(0, 100)
)
def test_a_sign_is_lost_when_the_first_unanswered_question_is_too_old(
    steps: list[tuple[str, float]], patience_s: float
) -> None:
    """Later questions do not make it younger."""
    sign, now_s, since_s = VitalSign("", patience_s), 0.0, None
    for what, wait_s in steps:
        now_s += wait_s
        if what == "ask":
            sign.ask(now_s)
            since_s = now_s if since_s is None else since_s
        else:
            sign.answer()
            since_s = None
        assert sign.is_lost(now_s) == (since_s is not None and now_s - since_s > patience_s)
