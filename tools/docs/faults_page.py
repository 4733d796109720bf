"""docs/faults.md: the faults that a run survives, each with the tests that prove it."""

from __future__ import annotations

import sys
from pathlib import Path

# the table stands beside the tests that it names
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "faults"))

from rows import ROWS


def markdown() -> str:
    """Return the text of docs/faults.md."""
    lines = [
        "# The faults that a run survives\n\n",
        "Each row has tests with real processes, servers and signals. A test of a fault that could cost or\n",
        "lose something ends with a ledger check, by a program that shares no code with `runner`.\n",
        "`make soak` plays random troubles, by seed, and crashes a process at every call to the outside.\n",
        "How good the tests themselves are: [guards.md](guards.md).\n\n",
        "| fault | what must hold | tests |\n|---|---|---|\n",
    ]
    for row in ROWS:
        named = "; ".join(f"`{file}`: {', '.join(names)}" for file, names in row.tests.items())
        lines.append(f"| {row.what} | {row.means} | {named} |\n")
    return "".join(lines)
