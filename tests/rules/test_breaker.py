"""A run pauses when most of its requests cost money for nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.sending.breaker import are_most_missing, is_tripped

BAD, GOOD = True, False


@pytest.mark.parametrize(
    ("last", "trips"),
    [
        ([], False),
        ([BAD] * 19, False),
        ([BAD] * 20, True),
        ([GOOD] * 20 + [BAD] * 20, False),  # half is not more than half
        ([GOOD] * 19 + [BAD] * 21, True),
        ([BAD] * 21 + [GOOD] * 19, True),
        ([BAD] * 30 + [GOOD] * 20, False),  # the oldest ten no longer count
        ([BAD] * 1_000 + [GOOD] * 40, False),
        ([GOOD] * 10 + [BAD] * 20, True),
    ],
)
def test_the_breaker_trips_on_twenty_bad_and_more_than_half(last: list[bool], trips: bool) -> None:
    """Of the last 40 requests, at least 20 and more than half."""
    assert is_tripped(last) is trips


@given(st.lists(st.booleans(), max_size=100))
def test_the_breaker_looks_at_the_last_forty_only(last: list[bool]) -> None:
    """A shorter history trips it only with twenty bad requests."""
    window = last[-40:]
    assert is_tripped(last) == (window.count(True) >= 20 and window.count(True) > window.count(False))


@pytest.mark.parametrize(
    ("answered", "missing", "most"),
    [(0, 0, False), (0, 1, True), (10, 10, False), (10, 11, True), (900, 60, False)],
)
def test_a_few_losses_among_many_answers_are_no_failure_of_the_api(
    answered: int, missing: int, most: bool
) -> None:
    """More than half, of the requests of one time."""
    assert are_most_missing(answered, missing) is most
