"""Faults of a table's rows in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.rules.table_faults import TableFault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.diagnostics import Diagnostic

FAULTS_SHOWN: Final = 20


def fault_sentence(fault: TableFault) -> str:
    """Return a fault as a sentence: where, why, its code, and the fix."""
    places = [
        f"row {fault.row:,}" if fault.row is not None else "",
        f"line {fault.line:,}" if fault.line is not None else "",
        f'column "{fault.column}"' if fault.column is not None else "",
    ]
    place = ", ".join(part for part in places if part)
    reason = f"{fault.reason} [{fault.code}]; {fault.fix}"
    return f"{place}: {reason}" if place else reason


def fault_sentences(faults: Sequence[TableFault], total: int) -> tuple[str, ...]:
    """Return a sentence for each of the first faults, and one with the number of the others."""
    sentences = tuple(fault_sentence(fault) for fault in faults[:FAULTS_SHOWN])
    return sentences if total <= FAULTS_SHOWN else (*sentences, f"… and {total - FAULTS_SHOWN:,} more")


def fault_of(diagnostic: Diagnostic, row: int) -> TableFault:
    """Return what is wrong with the request of a row as a fault of that row."""
    return TableFault(row=row, code=diagnostic.code, reason=diagnostic.reason, fix=diagnostic.fix)
