"""Faults of rows as sentences."""

from __future__ import annotations

import pytest

from runner.rules.row_faults import SHOWN, row_fault_sentences
from runner.rules.table_faults import TableFault


@pytest.mark.parametrize(
    ("row", "line", "column", "place"),
    [
        (341, None, "review", "row 341, column review"),
        (1_341, 1_400, None, "row 1,341 (line 1,400)"),
        (None, 1, None, "line 1"),
        (None, None, "review", "column review"),
        (None, None, None, "the table"),
    ],
)
def test_a_fault_says_where_why_and_how_to_fix(
    row: int | None, line: int | None, column: str | None, place: str
) -> None:
    """In this order, with its code."""
    fault = TableFault(
        row=row, line=line, column=column, code="null-cell", reason="it is null", fix="fill it"
    )
    assert row_fault_sentences([fault], 1) == (f"{place}: it is null [null-cell]; fill it",)


def test_twenty_are_shown_and_the_others_counted() -> None:
    """Of a million faulty rows too."""
    fault = TableFault(row=1, code="null-cell", reason="it is null", fix="fill it")
    found = row_fault_sentences([fault] * 50, 1_000_000)
    assert (len(found), found[-1]) == (SHOWN + 1, "… and 999,980 more")
