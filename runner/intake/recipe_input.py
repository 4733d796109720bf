"""A table with its recipe as the input of a run: its rows become requests of one frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.intake.compile_table import CompiledTable
from runner.intake.input_file import TABLE, digest
from runner.intake.run_input import SkippedRow
from runner.rules.counted import count
from runner.rules.needs import LABELS
from runner.rules.requests.framed_request import FramedRequests
from runner.rules.requests.request import Defaults
from runner.rules.row_faults import SHOWN, row_fault_sentence, row_fault_sentences
from runner.rules.sending.rate_limits import NOT_GIVEN, GivenLimits
from runner.rules.table_faults import TableFault
from runner.tables.lines import Line
from runner.tables.open_table import open_table
from runner.tables.table import TableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from runner.intake.compile_table import CompiledRow, Plan
    from runner.rules.costs.estimate import Tally
    from runner.rules.diagnostics import Diagnostic
    from runner.rules.requests.request import Request
    from runner.rules.requests.request_frame import Frame
    from runner.tables.table import ReadOptions, Table

KEPT: Final = 1_000  # faults and warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFlags:
    """The flags that decide whether a table is loaded. `limits`: given, for a prompt to fit."""

    skip_bad: bool = False
    strict: bool = False
    limits: GivenLimits = NOT_GIVEN


@dataclass(frozen=True, slots=True, kw_only=True)
class TableInput:
    """A table and how its rows become jobs.

    `recipe` is what the run keeps of the recipe, `recipe_sha256` the digest of what shapes its requests.
    """

    path: Path
    read_options: ReadOptions
    plan: Plan
    model: str
    recipe: str
    recipe_sha256: str
    flags: RowFlags = RowFlags()
    needs: str = LABELS

    @property
    def shapings(self) -> Sequence[Mapping[str, str | None]]:
        """Return what shapes the requests, for the identity."""
        return ({"recipe": self.recipe_sha256, "skip_bad": "yes" if self.flags.skip_bad else None},)

    def digest(self) -> tuple[str, int]:
        """Return the sha256 of the table's bytes and their number. Raises UsageError."""
        return digest(self.path, TABLE)

    def compile(self) -> CompiledTable:
        """Return a pass over the table that makes job lines."""
        return CompiledTable(self.plan, lambda: open_table(self.path, self.read_options))

    def read(self, tally: Tally) -> TablePass:
        """Return a new pass over the table; `tally` adds up its requests."""
        return TablePass(self, tally)


class TablePass:
    """One pass over a table: iterate over `requests` to the end, then read the other fields.

    Memory stays flat: of `faults` and `warnings` it keeps KEPT.
    """

    def __init__(self, source: TableInput, tally: Tally) -> None:
        """Read nothing yet."""
        self.total = 0
        self.other_model_total = 0
        self.faults: list[TableFault] = []
        self.warnings: list[Diagnostic] = list(source.plan.warnings)
        self.warnings_total = len(self.warnings)
        self._source, self._flags, self._tally = source, source.flags, tally
        self._table: Table | None = None
        self._skipped: list[SkippedRow] = []
        self._bad_rows = 0
        self._table_faults = 0  # of its header or its end: there is no row to skip
        self._compiled = CompiledTable(source.plan, self._open, self._note)
        defaults = Defaults(model=source.model, limits=source.flags.limits)
        self._framed = FramedRequests(source.plan.frame, defaults)

    @property
    def frame(self) -> Frame:
        """Return the bytes around the body of each request."""
        return self._source.plan.frame

    @property
    def bad_total(self) -> int:
        """Return the number of bad rows so far, and of faults of the table as a whole."""
        return self._bad_rows + self._table_faults

    @property
    def row_total(self) -> int:
        """Return the number of rows so far, skipped and excluded ones included."""
        return self._compiled.row_count

    @property
    def line_count(self) -> int:
        """Return the number of rows so far."""
        return self._compiled.row_count

    @property
    def byte_count(self) -> int:
        """Return the number of stored bytes read so far."""
        return 0 if self._table is None else self._table.byte_count

    @property
    def sha256(self) -> str:
        """Return the hex digest of the stored bytes; of all of them at the end."""
        return "" if self._table is None else self._table.sha256

    @property
    def may_be_loaded(self) -> bool:
        """Return whether no row so far refuses the table."""
        return not self._table_faults and (self._flags.skip_bad or not self._bad_rows)

    @property
    def is_accepted(self) -> bool:
        """Return whether the table may be loaded, by its rows and the flags."""
        can_skip = self.may_be_loaded and (bool(self.total) or not self._bad_rows)
        return can_skip and not (self._flags.strict and self.warnings_total)

    def requests(self) -> Iterator[tuple[Line, Request | SkippedRow]]:
        """Yield the rows that are sent with their requests, in order, and the skipped rows between them.

        A request's body is the row's own part. Raises TableError where the table cannot be read.
        """
        for row in self._compiled.rows():
            yield from self._take_skipped()
            request = self._request(row)
            if request is not None:
                self.total += 1
                self._tally.add(request)
                yield Line(row.number, b""), request
        yield from self._take_skipped()

    def accept(self) -> None:
        """Raise TableError where the table must not be loaded."""
        path = self._source.path
        if self.is_accepted:
            return
        if self.bad_total:
            can_skip = self.total and not self._table_faults
            skip = (
                f", or leave them out and label the other {self.total:,} with --skip-bad" if can_skip else ""
            )
            raise TableError(
                f"{path} has {count(self.bad_total, 'bad row')}; nothing was loaded",
                where=row_fault_sentences(self.faults, self.bad_total),
                fix=f"correct these rows and run the same command again{skip}",
            )
        raise TableError(
            f"{path} has {count(self.warnings_total, 'warning')} and --strict was given; nothing was loaded",
            where=tuple(
                row_fault_sentence(_fault_of(warning, warning.line)) for warning in self.warnings[:SHOWN]
            ),
            fix="correct the recipe or these rows, or leave --strict away",
        )

    def _open(self) -> Table:
        self._table = open_table(self._source.path, self._source.read_options)
        return self._table

    def _request(self, row: CompiledRow) -> Request | None:
        request, own = self._framed.request(row.custom_id, row.content, row.number)
        if request is None:
            refused = next(one for one in own if one.severity == "refused")
            self._note(_fault_of(refused, row.number))
        else:
            self.warnings_total += len(own)
            self.warnings += own[: max(0, KEPT - len(self.warnings))]
        return request

    def _note(self, fault: TableFault) -> None:
        if len(self.faults) < KEPT:
            self.faults.append(fault)
        if fault.row is None:
            self._table_faults += 1
            return
        self._bad_rows += 1
        if self._flags.skip_bad:
            self._skipped.append(SkippedRow(fault.row, row_fault_sentence(fault)))

    def _take_skipped(self) -> Iterator[tuple[Line, SkippedRow]]:
        skipped, self._skipped = self._skipped, []
        for row in skipped:
            yield Line(row.row, b""), row


def _fault_of(diagnostic: Diagnostic, row: int) -> TableFault:
    """Return what is wrong with the request of a row as a fault of that row."""
    return TableFault(row=row, code=diagnostic.code, reason=diagnostic.reason, fix=diagnostic.fix)
