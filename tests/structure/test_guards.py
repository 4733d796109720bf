"""The table of guards is true to the code: each stands where it says, and the page lists each."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "guards"))

from table import GUARDS, Guard  # noqa: E402


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_stands_where_it_says(guard: Guard) -> None:
    """Once, so that it can be taken away; `make guards` does that."""
    assert (ROOT / guard.file).read_text(encoding="utf-8").count(guard.old) == 1
    assert f"| {guard.name} |" in (ROOT / "docs" / "guards.md").read_text(encoding="utf-8")
