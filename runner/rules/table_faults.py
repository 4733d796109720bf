"""Faults of a table or of one of its rows, as diagnostics that people can act on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFault:
    """One fault. Without `row` it is of the table as a whole, or of its header.

    `row` counts data rows from 1, `line` is the physical line of the file where a text format has one;
    `column` is the name of the table's column. `code` is stable kebab-case; `reason` is what is wrong and
    `fix` what to do.
    """

    row: int | None = None
    line: int | None = None
    column: str | None = None
    code: str
    reason: str
    fix: str
