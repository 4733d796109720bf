"""docs/guards.md: a part for the guards of the promise, and one for guards drawn by chance."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[2] / "docs" / "guards.md"
DRAWN: Final = "## Guards drawn by chance\n"


def write_promised(part: str) -> None:
    """Replace the part above the guards drawn by chance."""
    _, mark, drawn = _read().partition(DRAWN)
    _write(part, mark + drawn)


def write_drawn(part: str) -> None:
    """Replace the part with the guards drawn by chance; it begins with DRAWN."""
    promised, _, _ = _read().partition(DRAWN)
    _write(promised, part)


def cell(text: str) -> str:
    """Return text for a cell of a table, in one line."""
    return " ".join(text.split()).replace("|", "\\|")


def test_name(found: str) -> str:
    """Return pytest's name of a test without its parameters, as a reader looks for it."""
    return found.partition("[")[0].replace("::", " ")


def _read() -> str:
    return PAGE.read_text(encoding="utf-8")


def _write(promised: str, drawn: str) -> None:
    parts = [part.rstrip("\n") + "\n" for part in (promised, drawn) if part]
    PAGE.write_text("\n".join(parts), encoding="utf-8")
