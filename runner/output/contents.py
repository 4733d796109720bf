"""What is written of a run, and how: values that the kinds of results share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runner.rules.labels.row_status import RowStatus
    from runner.rules.summary_object import WrittenFile


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """How to write a labeled table. `input_path`: where the input is, None for where it was loaded from.

    `spreadsheet` makes a CSV or TSV safe to open in a spreadsheet. `columns` are words of EXTRA_COLUMNS, and
    `prefix` begins the name of each added column; None for those of the run.
    """

    input_path: Path | None = None
    spreadsheet: bool = False
    columns: tuple[str, ...] | None = None
    prefix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What was written: the facts of both files, and the rows by status of a labeled table."""

    results: WrittenFile
    errors: WrittenFile
    rows: Mapping[RowStatus, int] | None = None
