"""The buckets of the numbers over time: their width by the run's age, and what "lately" is."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.bucket_width import lately_since_ms, width_s

HOUR: Final = 3_600
DAY: Final = 24 * HOUR
START: Final = 1_800_000_000  # at a whole ten minutes
TIMES: Final = st.integers(START - DAY, START + 40 * DAY)
STARTS: Final = st.integers(START, START + DAY)


@pytest.mark.parametrize(
    ("age_s", "width"),
    [
        (-5, 10),
        (0, 10),
        (HOUR - 1, 10),
        (HOUR, 60),
        (12 * HOUR - 1, 60),
        (12 * HOUR, 600),
        (30 * DAY, 600),
    ],
)
def test_the_width_grows_with_the_age(age_s: int, width: int) -> None:
    """10 s in the first hour, a minute to 12 hours, then 10 minutes."""
    assert width_s(START + age_s, START) == width


def test_a_wide_bucket_begins_when_all_of_it_is_old_enough() -> None:
    """A run that starts within a minute keeps narrow buckets to the end of the minute after an hour."""
    started = START + 35
    assert width_s(started + HOUR, started) == 10
    assert width_s(START + HOUR + 59, started) == 10
    assert width_s(START + HOUR + 60, started) == 60


@given(TIMES, TIMES, STARTS)
def test_two_buckets_are_one_or_do_not_meet(one: int, other: int, started: int) -> None:
    """At every age; and each lies within one day (UTC)."""
    (low, low_end), (high, high_end) = sorted(bucket(at, started) for at in (one, other))
    assert (low, low_end) == (high, high_end) or low_end <= high
    assert low // DAY == (low_end - 1) // DAY


def bucket(at: int, started: int) -> tuple[int, int]:
    """Return the begin and the end of the bucket of a time, in seconds."""
    width = width_s(at, started)
    begin = at // width * width
    assert begin <= at < begin + width
    return begin, begin + width


@pytest.mark.parametrize(
    ("run_s", "since_start_s", "lately_s"),
    [
        (5, 5, 5),  # from the start on
        (31, 31, 21),  # half a minute, from the next bucket on
        (1_000, 1_000, 200),  # a fifth
        (5 * HOUR, 7, 7),  # just started again
        (5 * HOUR, 5 * HOUR, HOUR),
        (30 * DAY, 30 * DAY, 6 * HOUR),
        (30 * DAY, 700, 700),
        (30 * DAY, 1_300, 1_200),  # two buckets at least
    ],
)
def test_lately_is_a_part_of_the_time_since_the_last_start(
    run_s: int, since_start_s: int, lately_s: int
) -> None:
    """It begins at the start of a bucket, and never before the last start."""
    now = START + run_s
    found = lately_since_ms(now * 1000, START * 1000, (now - since_start_s) * 1000)
    assert found == (now - lately_s) * 1000


@given(TIMES, STARTS, st.integers(0, 40 * DAY))
def test_lately_never_ends_before_it_begins(now: int, started: int, ago: int) -> None:
    """For any times."""
    assert lately_since_ms(now * 1000, started * 1000, (now - ago) * 1000) <= now * 1000
