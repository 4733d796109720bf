"""What `doctor` prints of a check and of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.cli.render import layout
from runner.rules.redact import plain

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_lines(name: str, state: str, result: str, fix: str) -> list[str]:
    """Return the result of a check, and how to fix it if it is not ok."""
    lines = [f"{state:<8} {name}: {plain(result)}"]
    if state != "ok" and fix:
        lines.append(f"         fix: {plain(fix)}")
    return lines


def settings_lines(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return a table of settings: name, value, origin; [] for no rows."""
    if not rows:
        return []
    return ["", *layout.table([(name, plain(value), origin) for name, value, origin in rows])]
