"""The clock that hosts share: steady between looks, honest about jumps."""

from __future__ import annotations

import pytest

from runner.engine.process.shared_clock import STEADY_AFTER_MS, SharedClock

START_MS = 1_800_000_000_000


class World:
    """A wall clock and a steady one, moved by hand."""

    def __init__(self) -> None:
        self.wall_ms, self.steady_ms = START_MS, 5_000
        self.clock = SharedClock(lambda: self.wall_ms, lambda: self.steady_ms)

    def wait(self, ms: int, jump_ms: int = 0) -> None:
        """Let time go by; the wall clock may jump besides."""
        self.steady_ms += ms
        self.wall_ms += ms + jump_ms


def test_time_goes_on_by_the_steady_clock() -> None:
    """A wall clock that was set moves nothing before the next look."""
    world = World()
    world.wait(1_000, jump_ms=7_200_000)
    assert world.clock.now_ms() == START_MS + 1_000


@pytest.mark.parametrize("jump_ms", [7_200_000, -7_200_000, 31_536_000_000], ids=["+2h", "-2h", "+1y"])
def test_a_jump_is_told_once_and_followed(jump_ms: int) -> None:
    """After it leases and signs of life say nothing for a while."""
    world = World()
    world.wait(STEADY_AFTER_MS)
    steady = [world.clock.is_steady]
    world.wait(5_000, jump_ms)

    assert world.clock.resync() == jump_ms
    assert world.clock.now_ms() == world.wall_ms
    steady.append(world.clock.is_steady)
    world.wait(STEADY_AFTER_MS)
    assert world.clock.resync() == 0
    assert [*steady, world.clock.is_steady] == [True, False, True]


def test_a_drift_is_followed_without_going_back() -> None:
    """Small corrections are no jumps, and time does not run backwards for them."""
    world = World()
    world.wait(10_000)
    before = world.clock.now_ms()
    world.wait(10, jump_ms=-500)

    assert world.clock.resync() == 0
    assert world.clock.now_ms() == before
    world.wait(1_000)
    assert world.clock.now_ms() == world.wall_ms


def test_a_look_that_takes_long_says_nothing() -> None:
    """The answer of a database that hesitates is of another time."""
    world = World()

    def slow() -> int:
        world.wait(5_000)
        return world.wall_ms - 4_000

    clock = SharedClock(lambda: world.wall_ms, lambda: world.steady_ms)
    clock._read = slow
    assert clock.resync() == 0
    assert clock.now_ms() == world.wall_ms


@pytest.mark.parametrize("jump_ms", [7_200_000, -7_200_000])
def test_how_long_ago_something_was_does_not_jump(jump_ms: int) -> None:
    """Neither for what was noted before it nor for what came after; set back, it may seem shorter."""
    world = World()
    before_ms = world.clock.now_ms()
    world.wait(30_000)
    world.wait(0, jump_ms)
    world.clock.resync()
    after_ms = world.clock.now_ms()
    world.wait(10_000)

    assert world.clock.since_s(before_ms) == (40.0 if jump_ms > 0 else 0.0)
    assert world.clock.since_s(after_ms) == 10.0


def test_after_a_freeze_nothing_is_compared_before_others_sent_a_heartbeat() -> None:
    """This machine was asleep, say: all its workers missed their heartbeats, and all of them live."""
    world = World()
    world.wait(STEADY_AFTER_MS)
    assert world.clock.resync() == 0
    assert world.clock.is_steady
    world.wait(180_000)

    steady = [world.clock.is_steady]
    assert world.clock.resync() == 0
    steady.append(world.clock.is_steady)
    world.wait(STEADY_AFTER_MS - 1)
    steady.append(world.clock.is_steady)
    world.wait(1)
    assert [*steady, world.clock.is_steady] == [False, False, False, True]
