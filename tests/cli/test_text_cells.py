"""Columns of a terminal: wide characters take two of them, so tables are measured in cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from runner.cli.render import layout, text_cells
from runner.cli.render.run_name import short_name
from runner.rules import occasion

TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=60)
STEMS = st.text(min_size=1, max_size=8)
OCCASIONS = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
FIT = layout.Fit(right=frozenset({1}), steps=((0, 30), (2, 20), (0, 10)), fold_at=1)


@given(TEXTS, st.integers(1, 40))
def test_a_cut_text_is_no_wider(text: str, width: int) -> None:
    """A text that fits is whole, and what is cut ends in an ellipsis."""
    shown = text_cells.cut(text, width)

    assert cell_len(shown) <= width
    assert shown == text if cell_len(text) <= width else shown.endswith("…")
    assert text_cells.width(text) == cell_len(text)


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("日本語の名前", 12, "日本語の名前"),
        ("日本語の名前", 11, "日本語の名…"),
        ("日本語の名前", 6, "日本…"),
        ("abcdef", 3, "ab…"),
    ],
)
def test_a_wide_character_is_never_split(text: str, width: int, shown: str) -> None:
    """Half of one would be another character, or none."""
    assert text_cells.cut(text, width) == shown


def test_columns_stand_below_each_other_with_wide_characters() -> None:
    """Each of them ends at the same cell."""
    heading, wide, narrow = layout.table(
        [("name", "n"), ("日本語", "1"), ("abc", "23")], right=frozenset({1})
    )

    assert [cell_len(line) for line in (heading, wide, narrow)] == [10, 10, 10]
    assert wide == "日本語   1"


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=4))
def test_a_fitted_table_is_never_too_wide(rows: list[tuple[str, str, str]]) -> None:
    """Unless a column that is not cut is too wide alone; each row has one line, or two."""
    shown = layout.fitted_table([("a", "b", "c"), *((one, two[:20], three) for one, two, three in rows)], FIT)

    assert len(shown) == len(rows) + 1
    assert len({len(lines) for lines in shown}) == 1
    assert max(cell_len(line) for lines in shown for line in lines) <= layout.WIDTH


def test_a_row_that_is_too_wide_takes_two_lines() -> None:
    """What cannot be cut enough stands above the other columns, which are indented."""
    fit = layout.Fit(right=frozenset(), steps=((1, 20),), fold_at=1)
    rows = [("node", "host", "state"), ("n" * 70, "h" * 40, "alive")]

    assert layout.fitted_table(rows, fit) == [
        ["node", f"  host{' ' * 36}  state"],
        ["n" * 70, f"  {'h' * 40}  alive"],
    ]
    assert layout.fitted_table([rows[0], ("n" * 40, "h" * 40, "alive")], fit)[1] == [
        f"{'n' * 40}  {'h' * 30}…  alive"
    ]


@pytest.mark.parametrize(
    ("name", "word", "length", "shown"),
    [
        ("q@x", "x", 24, "q@x"),
        ("a-very-long-name-of-a-file@2026-11-28", "2026-11-28", 24, "a-very-long-…@2026-11-28"),
        ("a-very-long-name-of-a-file@2026-11-28.2", "2026-11-28", 24, "a-very-lon…@2026-11-28.2"),
        ("a-very-long-name-of-a-file", None, 24, "a-very-long-name-of-a-f…"),
        ("q@" + "x" * 30, "x" * 30, 24, "q@" + "x" * 30),
    ],
)
def test_a_long_name_keeps_its_occasion(name: str, word: str | None, length: int, shown: str) -> None:
    """Two nights of one file must not look the same in a list."""
    assert short_name(name, word, length) == shown


@given(STEMS, OCCASIONS, st.integers(1, 99))
def test_a_short_name_is_short(stem: str, word: str, length: int) -> None:
    """Unless the occasion alone is longer; without an occasion always."""
    name = occasion.run_name(stem, word)
    shown = short_name(name, word, length)
    assert cell_len(shown) <= length or shown == name
    assert shown.endswith(f"@{word}")
    assert cell_len(short_name(name, None, length)) <= length
