"""Failures in a row: what was asked together counts once."""

from __future__ import annotations

from runner.engine.streak import TOGETHER, Streak


def test_requests_that_were_out_together_are_one_failure() -> None:
    """The second counts only when it was sent after the first had failed."""
    streak = Streak()

    assert [streak.failed(0, 100), streak.failed(10, 120), streak.failed(99, 130)] == [1, 1, 1]
    assert streak.failed(100, 200) == 2
    assert streak.failed(150, 210) == 2
    streak.ended()
    assert streak.failed(160, 300) == 1


def test_a_stray_failure_is_not_serious() -> None:
    """A second one is, and so are several at the same time."""
    streak = Streak()
    for nth in range(TOGETHER):
        assert not streak.is_serious
        streak.failed(0, 100 + nth)
    assert streak.is_serious

    streak.ended()
    assert not streak.is_serious
    streak.failed(400, 500)
    assert not streak.is_serious
    streak.failed(500, 600)
    assert streak.is_serious
