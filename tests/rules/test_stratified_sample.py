"""The estimate of kinds from a sample of windows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runner.rules.costs.stratified_sample import apportioned

WINDOW = st.dictionaries(st.sampled_from("abc"), st.integers(1, 10), min_size=1)


def test_windows_that_were_read_whole_are_counted_as_they_are() -> None:
    """A window with fewer rows than were asked for has no more."""
    assert apportioned(7, [{"a": 3}, {"a": 1, "b": 3}], 50) == {"a": 4, "b": 3}


def test_the_other_windows_share_the_rest_equally() -> None:
    """Each as its first rows are: 1,000 jobs less 2 that were counted, in two windows."""
    assert apportioned(1_000, [{"a": 10}, {"a": 5, "b": 5}, {"c": 2}], 10) == {"a": 748, "b": 250, "c": 2}


def test_a_kind_that_was_seen_is_never_rounded_away() -> None:
    """One that has no price must be heard of."""
    assert apportioned(10, [{"a": 999, "b": 1}], 1_000) == {"a": 9, "b": 1}


def test_nothing_seen_is_nothing_known() -> None:
    """A counter may be ahead of what the transaction sees."""
    assert apportioned(5, [], 10) == {}


@given(st.lists(WINDOW, min_size=1, max_size=16), st.integers(100, 10**7))
def test_the_sum_is_exact(windows: list[dict[str, int]], more: int) -> None:
    """Rounding loses no job."""
    total = sum(n for window in windows for n in window.values()) + more

    assert sum(apportioned(total, windows, 10).values()) == total
