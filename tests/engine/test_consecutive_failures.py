"""Failures in a row: what was asked together counts once."""

from __future__ import annotations

from runner.engine.runs.consecutive_failures import CONCURRENT_FAILURES, ConsecutiveFailures


def test_requests_that_were_out_together_are_one_failure() -> None:
    """The second counts only when it was sent after the first had failed."""
    streak = ConsecutiveFailures()

    assert [
        streak.record_failure(0, 100),
        streak.record_failure(10, 120),
        streak.record_failure(99, 130),
    ] == [1, 1, 1]
    assert streak.record_failure(100, 200) == 2
    assert streak.record_failure(150, 210) == 2
    streak.reset()
    assert streak.record_failure(160, 300) == 1


def test_a_stray_failure_is_not_serious() -> None:
    """A second one is, and so are several at the same time."""

    def seen(*times: tuple[int, int]) -> list[bool]:
        streak = ConsecutiveFailures()
        found = []
        for sent_at_ms, now_ms in times:
            streak.record_failure(sent_at_ms, now_ms)
            found.append(streak.should_probe)
        return found

    assert seen(*[(0, 100 + nth) for nth in range(CONCURRENT_FAILURES)]) == [False] * (
        CONCURRENT_FAILURES - 1
    ) + [True]
    assert seen((0, 100), (100, 200)) == [False, True]


def test_failures_count_on_after_the_clock_was_set_back() -> None:
    """Else they would wait until the clock is where it was."""
    streak = ConsecutiveFailures()
    assert streak.record_failure(7_200_000, 7_200_100) == 1
    assert [streak.record_failure(0, 100), streak.record_failure(100, 200)] == [2, 3]
