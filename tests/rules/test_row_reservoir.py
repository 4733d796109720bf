"""The random choice of rows in one pass."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runner.rules.recipes.row_reservoir import RowReservoir


def chosen(size: int, seed: int, rows: list[int]) -> list[tuple[int, str]]:
    reservoir: RowReservoir[str] = RowReservoir(size, seed)
    for row in rows:
        if reservoir.takes(row):
            reservoir.put(row, f"item {row}")
    assert reservoir.seen == len(rows)
    return reservoir.items()


def test_a_choice_is_the_same_on_every_machine() -> None:
    """These numbers are part of the program's promise: --sample finds the choice of an old run again."""
    rows = list(range(1, 1_001))

    assert [row for row, _ in chosen(5, 7, rows)] == [29, 36, 230, 307, 964]
    assert [row for row, _ in chosen(5, 0, rows)] == [173, 413, 760, 822, 948]


@given(
    st.integers(1, 20), st.integers(0, 2**64 - 1), st.sets(st.integers(1, 2**40), max_size=60), st.randoms()
)
def test_the_choice_does_not_depend_on_the_order(
    size: int, seed: int, rows: set[int], random: object
) -> None:
    """Each row has what belongs to it, and all are kept where there are fewer."""
    ordered = sorted(rows)
    shuffled = list(ordered)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    found = chosen(size, seed, ordered)

    assert found == chosen(size, seed, shuffled)
    assert len(found) == min(size, len(rows))
    assert all(item == f"item {row}" for row, item in found)
    assert [row for row, _ in found] == sorted({row for row, _ in found} & rows)


def test_another_seed_is_another_choice() -> None:
    """The same seed is the same one."""
    rows = list(range(1, 1_001))

    assert chosen(5, 0, rows) == chosen(5, 0, rows)
    assert chosen(5, 0, rows) != chosen(5, 1, rows)


def test_every_row_is_chosen_about_as_often() -> None:
    """Over many seeds: a row in a hundred is expected 40 times, with a standard deviation of 6.2."""
    rows = list(range(1, 101))
    counts = dict.fromkeys(rows, 0)
    for seed in range(400):
        for row, _ in chosen(10, seed, rows):
            counts[row] += 1

    assert min(counts.values()) > 40 - 5 * 6.2
    assert max(counts.values()) < 40 + 5 * 6.2


def test_a_smaller_sample_is_part_of_a_larger_one() -> None:
    """More rows of the same seed show the same rows, and others."""
    rows = list(range(1, 500))
    small, large = chosen(5, 3, rows), chosen(50, 3, rows)

    assert set(small) < set(large)
