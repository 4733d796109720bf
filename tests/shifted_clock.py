"""A wall clock that a test sets, for all processes that it starts with these variables."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SHIM: Final = Path(__file__).parent / "clock_shim"


def by_the_clock_in(file: Path) -> dict[str, str]:
    """Return environment variables that shift the wall clock by what a file contains, and no other clock."""
    return {"PYTHONPATH": str(SHIM), "TEST_CLOCK_FILE": str(file)}


def set_clock(file: Path, ahead_s: float) -> None:
    """Shift the wall clock, for all processes at the same moment."""
    draft = file.with_name("draft")
    draft.write_text(str(ahead_s))
    draft.replace(file)
