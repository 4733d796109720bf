"""The page of faults names tests that exist."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

from rows import ROWS, Row

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what[:40])
def test_a_row_names_tests_that_exist(row: Row) -> None:
    """Each in the file it says."""
    for file, names in row.tests.items():
        text = (TESTS / file).read_text(encoding="utf-8")
        assert [name for name in names if f"def {name}(" not in text] == []
