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

    def seen(*times: tuple[int, int]) -> list[bool]:
        streak = Streak()
        found = []
        for sent_at_ms, now_ms in times:
            streak.failed(sent_at_ms, now_ms)
            found.append(streak.is_serious)
        return found

    assert seen(*[(0, 100 + nth) for nth in range(TOGETHER)]) == [False] * (TOGETHER - 1) + [True]
    assert seen((0, 100), (100, 200)) == [False, True]
