"""CSV without cells that a spreadsheet would run as formulas, and without loss of content."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.spreadsheet import csv_text, without_formula

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "=cmd|'/c calc'!A1", "\uff1d1+1")


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_would_run_is_text(text: str) -> None:
    """A leading ' makes the cell a text."""
    ((cell,),) = csv.reader(io.StringIO(csv_text([[text]])))
    assert cell.startswith("'")


@given(st.lists(st.lists(st.text() | st.integers(), min_size=1, max_size=4), max_size=4))
def test_every_cell_comes_back(rows: list[list[str | int]]) -> None:
    """One line for each row, with all its cells; control characters in a text are escaped."""
    written = csv_text(rows)
    read = list(csv.reader(io.StringIO(written)))
    assert [len(row) for row in read] == [len(row) for row in rows]
    assert all(char.isprintable() or char in "\n\u200c\u200d\u00a0\u3000" for char in written)
    assert len(written.splitlines()) == len(rows)
    for cells, row in zip(read, rows, strict=True):
        for cell, value in zip(cells, row, strict=True):
            assert isinstance(value, str) or cell == str(value)
            assert isinstance(value, int) or not cell.startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize("text", [*FORMULAS[:1], *FORMULAS[3:], "-1+1", "+49 12", "\n=1", "\ufeff=1", "- a"])
def test_a_formula_becomes_text_and_keeps_its_characters(text: str) -> None:
    """A leading ', and nothing else, line ends included."""
    assert without_formula(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["", "a", "a=1", "-1", "+1", "-1.5", "-1,5", "-2e5", "-3%", "two\nlines", "'=1"]
)
def test_other_text_stays(text: str) -> None:
    """Numbers too: a spreadsheet does not run them."""
    assert without_formula(text) == text
