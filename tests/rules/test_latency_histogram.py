"""The latency histogram is small, mergeable, and accurate to 5 %."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.latency_histogram import FIRST_S, LAST_S, bucket_of, percentile_s

LATENCIES = st.floats(FIRST_S * 1.1, LAST_S / 1.1)


@given(st.lists(LATENCIES, min_size=1, max_size=50), st.sampled_from([0.5, 0.95, 1.0]))
def test_a_percentile_is_within_five_per_cent(latencies: list[float], share: float) -> None:
    """The exact value is the latency that this share does not exceed."""
    ordered = sorted(latencies)
    exact = next(value for n, value in enumerate(ordered, 1) if n >= share * len(ordered))
    found = percentile_s(Counter(map(bucket_of, latencies)), share)
    assert found == pytest.approx(exact, rel=0.0501)


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_buckets_sort_as_latencies_do(a: float, b: float) -> None:
    """Names have three digits, so that the database can sort them as text."""
    low, high = sorted((a, b))
    assert bucket_of(low) <= bucket_of(high)
    assert len(bucket_of(high)) == 3


def test_a_week_of_latencies_needs_few_buckets() -> None:
    """Buckets are rows of a table, in eight shards."""
    assert bucket_of(0) == bucket_of(-1) == bucket_of(FIRST_S) == "000"
    assert int(bucket_of(float("inf"))) < 200


def test_without_a_count_there_is_no_percentile() -> None:
    """An unknown value is None, not 0."""
    assert percentile_s({}, 0.5) is None
    assert percentile_s({"010": 0}, 0.5) is None
