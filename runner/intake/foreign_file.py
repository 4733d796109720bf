"""Reads a file of another batch service once: its job lines, what was changed, and what is refused."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner.intake.foreign_entries import ForeignEntries
from runner.intake.job_file import DIAGNOSTICS_KEPT
from runner.intake.used_ids import UsedIds
from runner.rules.diagnostics import Diagnostic
from runner.rules.foreign.convert_line import convert_line
from runner.rules.other_files.other_file import cure_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from runner.rules.foreign.changes import Change
    from runner.rules.foreign.convert_line import ConvertedLine

JOB_LINE: Final = "job-line"  # the form of a line that is a job line already
_CHANGES_KEPT: Final = 1_000
_OF_ONE_LINE: Final = "line-too-long"  # what else the reader finds is of the whole file: its rest is missing


@dataclass(slots=True)
class ChangeCount:
    """How many lines have a change, and the number of the first."""

    lines: int
    first: int


class ForeignFileReader:
    """One pass over a file: iterate over `job_lines` to the end, then read the other fields.

    Memory stays flat, save for a document (ForeignEntries): of each list DIAGNOSTICS_KEPT are kept, and
    _CHANGES_KEPT different changes; `other_changes` counts those beyond.
    """

    def __init__(self, source: Path | BinaryIO, model: str | None) -> None:
        """Read nothing yet; `model` is the one for all lines, None for those that the lines name."""
        self._entries, self._model = ForeignEntries(source), model
        self._file = str(source) if isinstance(source, Path) else "FILE"
        self._ids = UsedIds()
        self.read_total = 0
        self.written_total = 0
        self.refused_total = 0
        self.refusals: list[Diagnostic] = []
        self.is_incomplete = False
        self.forms: Counter[str] = Counter()
        self.changes: dict[Change, ChangeCount] = {}
        self.other_changes = 0
        self.warnings: list[Diagnostic] = []
        self.warnings_total = 0

    @property
    def in_document(self) -> bool:
        """Return whether the numbers count the requests of a document, not lines."""
        return self._entries.in_document

    @property
    def can_skip_bad(self) -> bool:
        """Return whether the rest can be written without what is refused."""
        return bool(self.written_total) and not self.is_incomplete

    def job_lines(self) -> Iterator[bytes]:
        """Yield a job line for each entry that can be converted, in order, without a line end."""
        for item in self._entries:
            if isinstance(item, Diagnostic):
                self.is_incomplete |= item.code != _OF_ONE_LINE
                self._refuse([item])
                continue
            self.read_total += 1
            made = convert_line(item.raw, item.number, self._model)
            if isinstance(made, list):
                self._refuse(made)
                continue
            duplicate = self._ids.add(made.custom_id, item.number)
            if duplicate is not None:
                self._refuse([duplicate])
                continue
            self._count(made, item.number)
            yield made.raw
            del item, made  # they may be large, and the next ones are built now

    def _refuse(self, refusals: list[Diagnostic]) -> None:
        self.refused_total += 1
        is_gzip = self._entries.is_gzip
        self.refusals += [
            replace(found, fix=cure_for(found.fix, self._file, is_gzip=is_gzip))
            for found in refusals[: max(0, DIAGNOSTICS_KEPT - len(self.refusals))]
        ]

    def _count(self, line: ConvertedLine, number: int) -> None:
        self.written_total += 1
        self.forms[line.form or JOB_LINE] += 1
        for change in line.changes:
            if change in self.changes:
                self.changes[change].lines += 1
            elif len(self.changes) < _CHANGES_KEPT:
                self.changes[change] = ChangeCount(1, number)
            else:
                self.other_changes += 1
        self.warnings_total += len(line.warnings)
        self.warnings += line.warnings[: max(0, DIAGNOSTICS_KEPT - len(self.warnings))]
