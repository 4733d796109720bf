"""Ids of jobs from cells: which cells are ids, and why others are not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.recipes.row_ids import IdFault, cell_id, numbered_id
from runner.rules.requests.request import Defaults, read_request
from runner.rules.requests.request_frame import request_frame


@pytest.mark.parametrize(
    "cell", ["00002", " a ", "a" * 512, "ä", "row-", "row-1a", "rows-1", "Row-1", "row--1"]
)
def test_a_text_is_an_id_as_it_stands(cell: str) -> None:
    """Nothing is trimmed, and no leading zero is lost."""
    assert cell_id(cell) == cell


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        (None, "empty-id"),
        ("", "empty-id"),
        (" \t", "empty-id"),
        (1.5, "bad-id"),
        (True, "bad-id"),
        (["a"], "bad-id"),
        ("a\0", "bad-id"),
        ("\ud800", "bad-id"),
        ("a" * 513, "bad-id"),
        ("row-341", "reserved-id"),
        ("rows-341-360", "reserved-id"),
    ],
)
def test_other_cells_are_none(cell: Any, code: str) -> None:
    """Each with its code."""
    found = cell_id(cell)
    assert isinstance(found, IdFault)
    assert found.code == code
    assert found.fix


def test_a_whole_number_is_an_id() -> None:
    """Parquet and JSONL have numbers."""
    assert cell_id(17) == "17"
    assert isinstance(cell_id(numbered_id(17)), IdFault)


@given(st.one_of(st.text(), st.integers(), st.none(), st.floats()))
def test_an_id_is_one_that_job_lines_take(cell: Any) -> None:
    """Job lines and tables have the same rule for ids, but for empty and reserved ones."""
    found = cell_id(cell)
    if isinstance(found, IdFault):
        return
    line = request_frame("grok-4.3", "", [], b'{"type":"object"}', {}).line(found, b'"x"')
    request, diagnostics = read_request(line, 1, Defaults(model="grok-4.3"))
    assert request is not None
    assert request.custom_id == found
    assert not [one for one in diagnostics if one.severity == "refused"]
