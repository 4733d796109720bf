"""Faults of a table's rows as sentences: the first ones, and the number of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.table_faults import TableFault

SHOWN: Final = 20


def row_fault_sentences(faults: Sequence[TableFault], total: int) -> tuple[str, ...]:
    """Return a sentence for each of the first faults, and one with the number of the others."""
    sentences = tuple(row_fault_sentence(fault) for fault in faults[:SHOWN])
    return sentences if total <= SHOWN else (*sentences, f"… and {total - SHOWN:,} more")


def row_fault_sentence(fault: TableFault) -> str:
    """Return a fault as a sentence: where, why, its code, and the fix."""
    places = []
    if fault.row is not None:
        places.append(f"row {fault.row:,}" + (f" (line {fault.line:,})" if fault.line is not None else ""))
    elif fault.line is not None:
        places.append(f"line {fault.line:,}")
    if fault.column is not None:
        places.append(f"column {fault.column}")
    place = ", ".join(places) or "the table"
    return f"{place}: {fault.reason} [{fault.code}]; {fault.fix}"
