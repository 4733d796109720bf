"""The rate of a run and its forecast, from the buckets that its jobs ended in."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.throughput import EndedLately, Throughput

NOW: Final = 1_800_000_000  # at a whole ten minutes


def lately(since_s: int, *buckets: tuple[int, int, int]) -> EndedLately:
    """Return what ended; times are in seconds from NOW on."""
    return EndedLately(
        since_ms=(NOW + since_s) * 1000,
        buckets=[((NOW + at_s) * 1000, width, ended) for at_s, width, ended in buckets],
    )


def at(found: EndedLately, now_s: float, left: int = 100) -> Throughput:
    """Return the throughput at a time."""
    return found.throughput(int((NOW + now_s) * 1000), left)


def test_a_forecast_is_unknown_until_it_means_something() -> None:
    """In the first seconds, and until ten jobs have ended."""
    assert at(lately(0, (0, 10, 50)), 2) == Throughput()
    assert at(lately(0, (0, 10, 9)), 9) == Throughput()
    assert at(lately(0), 9) == Throughput()
    assert at(lately(0, (0, 10, 100)), 4) == Throughput(25.0, (5, 5))


def test_what_ended_before_the_start_is_no_part_of_the_rate() -> None:
    """A run that is started again begins a bucket: 40 jobs in the 8 s since, whatever the width."""
    assert at(lately(3, (3, 10, 40)), 11).jobs_per_s == 5.0
    assert at(lately(421, (421, 600, 40)), 429).jobs_per_s == 5.0


def test_the_present_bucket_counts_for_the_time_that_it_had() -> None:
    """Half a minute at 10 a second, the last bucket only begun."""
    found = lately(0, (0, 10, 100), (10, 10, 100), (20, 10, 50))
    assert at(found, 25) == Throughput(10.0, (10, 10))


def test_what_comes_after_now_does_not_count() -> None:
    """As after the clock was set back."""
    assert at(lately(0, (0, 10, 100), (9_000, 60, 50)), 20).jobs_per_s == 5.0


def test_time_without_a_bucket_is_time_without_an_end() -> None:
    """A run that stands still gets slower, and its forecast wider."""
    found = at(lately(0, (0, 10, 100)), 30, left=100)
    assert found.jobs_per_s == pytest.approx(100 / 30)
    assert found.eta_s == (15, 60)


def test_a_forecast_is_as_wide_as_the_rate_was_uneven() -> None:
    """From the fastest third to the slowest one, within twice and half of the whole."""
    assert at(lately(0, *((10 * n, 10, 100) for n in range(3))), 30, left=6_000).eta_s == (600, 600)
    low, high = at(lately(0, (0, 10, 100), (10, 10, 100), (20, 10, 50)), 30, left=6_000).eta_s or (0, 0)
    assert low < 720 < high


BUCKETS: Final = st.lists(st.tuples(st.integers(0, 200), st.integers(-5, 300)), max_size=30)


@given(buckets=BUCKETS, now_s=st.floats(0, 5_000), left=st.integers(-5, 10**7))
def test_a_forecast_is_never_negative(buckets: list[tuple[int, int]], now_s: float, left: int) -> None:
    """For any buckets, also where jobs were taken off that are sent again."""
    found = lately(0, *sorted((10 * place, 10, ended) for place, ended in dict(buckets).items()))
    rate, eta_s = at(found, now_s, left)
    low, high = eta_s or (0, 0)
    assert 0 <= low <= high
    assert (rate or 0) >= 0
