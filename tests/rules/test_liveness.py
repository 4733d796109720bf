"""A liveness probe is overdue when its first unanswered question is older than its patience."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runner.rules.liveness import LivenessProbe

TIMES = st.lists(st.integers(0, 10**6), min_size=1, max_size=6).map(sorted)


def test_nothing_is_overdue_before_the_first_question() -> None:
    """However long the process has run."""
    assert not LivenessProbe("loop", 30).is_overdue(1e9)


@given(TIMES)
def test_the_first_question_without_an_answer_counts(times: list[int]) -> None:
    """Asking again gives no more time; the patience itself is still in time."""
    probe = LivenessProbe("loop", 30)
    for now_s in times:
        probe.ask(now_s)

    assert not probe.is_overdue(times[0] + 30)
    assert probe.is_overdue(times[0] + 31)


@given(TIMES)
def test_an_answer_begins_the_time_again(times: list[int]) -> None:
    """Answered, nothing is overdue; the next question counts from its own time."""
    probe = LivenessProbe("loop", 30)
    probe.ask(times[0])
    probe.answer()
    assert not probe.is_overdue(times[-1] + 10**9)

    probe.ask(times[-1])
    assert not probe.is_overdue(times[-1] + 30)
    assert probe.is_overdue(times[-1] + 31)
