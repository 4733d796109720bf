"""Samples of rows: the same ones everywhere, whatever order and machine."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from runner.rules.row_sample import RowSample


def sample(rows: list[int], size: int, seed: int = 0) -> list[int]:
    """Return the chosen rows."""
    found = RowSample(size, seed)
    for row in rows:
        found.add(row)
    return list(found.rows())


def test_a_sample_is_the_same_on_every_machine() -> None:
    """These numbers are part of the program's promise: the choice of an old run is found again."""
    assert sample(list(range(1, 1_001)), 5, seed=7) == [29, 36, 230, 307, 964]
    assert sample(list(range(1, 1_001)), 5) == [173, 413, 760, 822, 948]


@given(
    st.sets(st.integers(1, 10**6), max_size=60), st.integers(1, 20), st.integers(0, 2**63 - 1), st.randoms()
)
def test_the_order_does_not_matter(rows: set[int], size: int, seed: int, shuffled: object) -> None:
    """As many as asked for, ascending, or all; a larger sample holds the smaller one."""
    ordered = sorted(rows)
    mixed = list(rows)
    shuffled.shuffle(mixed)  # type: ignore[attr-defined]
    found = sample(ordered, size, seed)

    assert found == sample(mixed, size, seed)
    assert found == sorted(found)
    assert len(found) == min(size, len(rows))
    assert set(found) <= rows
    assert set(found) <= set(sample(ordered, size + 3, seed))


def test_every_row_has_the_same_chance() -> None:
    """2,000 seeds, 5 of 20 rows each: 500 expected; six standard deviations are 116."""
    counts = Counter(row for seed in range(2_000) for row in sample(list(range(1, 21)), 5, seed))
    assert len(counts) == 20
    assert all(abs(count - 500) < 116 for count in counts.values())
