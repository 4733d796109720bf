"""Compiles a table and a recipe to job lines: one for each row that is chosen, in order, in flat memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from runner.intake.templates import BOUND, RenderError
from runner.intake.used_ids import UsedIds
from runner.rules.recipes.row_ids import IdFault, cell_id, numbered_id
from runner.rules.recipes.row_reservoir import RowReservoir
from runner.rules.table_faults import TableFault
from runner.tables.table import TableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from runner.intake.row_prompt import RowPrompt
    from runner.intake.templates import RowCondition
    from runner.rules.diagnostics import Diagnostic
    from runner.rules.requests.request_frame import Frame
    from runner.tables.table import Table

FAULTS_KEPT: Final = 1_000
BOUND_ROWS_MAX: Final = 3  # that may reach a bound of a template one after another, before any is rendered
SEED_DEFAULT: Final = 0


class CompiledRow(NamedTuple):
    """A row's own part of its job: body == frame.head + content + frame.tail."""

    number: int  # of the row, from 1
    custom_id: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How rows become jobs. `columns` are those that are read; `seed` is used with `sample`."""

    columns: tuple[str, ...]
    frame: Frame
    prompt: RowPrompt
    id_column: str | None = None
    where: RowCondition | None = None
    sample: int | None = None
    seed: int = SEED_DEFAULT
    limit: int | None = None
    warnings: tuple[Diagnostic, ...] = ()  # of the shared part


class CompiledTable:
    """One pass over a table: iterate over `rows` or `lines` to the end, then read the other fields.

    Each row of the table is compiled, excluded (by where, sample or limit) or faulty. Memory stays flat: it
    keeps the first FAULTS_KEPT of `fault_count` faults. With a sample the table is read twice. A table whose
    first rows all reach the same bound of a template is refused, since each further row would take as long.
    """

    def __init__(
        self,
        plan: Plan,
        open_table: Callable[[], Table],
        on_fault: Callable[[TableFault], None] = lambda _: None,
    ) -> None:
        """Read nothing yet; `open_table` opens the table from its beginning, `on_fault` gets every fault."""
        self.frame = plan.frame
        self.sha256 = ""  # of the table's bytes
        self.row_count = 0
        self.faults: list[TableFault] = []
        self.fault_count = 0
        self.is_incomplete = False  # the rest of the table cannot be read
        self._plan = plan
        self._open = open_table
        self._on_fault = on_fault
        self._ids = UsedIds()

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the number of each compiled row, and its job line without a line end."""
        line = self.frame.line
        for number, custom_id, content in self.rows():
            yield number, line(custom_id, content)

    def rows(self) -> Iterator[CompiledRow]:
        """Yield the compiled rows in order.

        Raises TableError if the table changes while it is read twice, or its template is without bounds.
        """
        size = self._plan.sample
        sampled = None if size is None else self._sampled_rows(size)
        sha256 = self.sha256
        table = self._open()
        chosen_count = 0
        bounds = _BoundFaults()
        for number, row in self._numbered(table):
            try:
                if not self._is_chosen(number, row, sampled, chosen_count):
                    continue
                chosen_count += 1
                compiled = self._compile(number, row)
            except RenderError as error:
                bounds.add(number, error)
                self._note(_fault_of(error, number))
                continue
            bounds.end()
            if compiled is not None:
                yield compiled
        self.sha256 = table.sha256
        if sampled is not None and sha256 != self.sha256:
            raise TableError("the table changed while it was read", fix="run the command again")

    def _sampled_rows(self, size: int) -> frozenset[int]:
        """Return the numbers of `size` sampled rows, or of all; rows with a fault are not among them."""
        plan = self._plan
        sample: RowReservoir[None] = RowReservoir(size, plan.seed)
        table = self._open()
        bounds = _BoundFaults()
        for number, row in _rows_of(table, plan.columns):
            if isinstance(row, TableFault):
                continue
            try:
                if (plan.where is None or plan.where.holds(row)) and sample.takes(number):
                    sample.put(number, None)
                bounds.end()
            except RenderError as error:
                bounds.add(number, error)
        self.sha256 = table.sha256
        return frozenset(row for row, _ in sample.items())

    def _numbered(self, table: Table) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield the readable rows, counting all."""
        for number, row in _rows_of(table, self._plan.columns):
            if isinstance(row, TableFault):
                self.row_count += row.row is not None
                self.is_incomplete |= row.row is None
                self._note(row)
                continue
            self.row_count += 1
            yield number, row

    def _is_chosen(
        self, number: int, row: Mapping[str, Any], sampled: frozenset[int] | None, chosen_count: int
    ) -> bool:
        plan = self._plan
        if plan.limit is not None and chosen_count >= plan.limit:
            return False
        return (plan.where is None or plan.where.holds(row)) and (sampled is None or number in sampled)

    def _compile(self, number: int, row: Mapping[str, Any]) -> CompiledRow | None:
        """Return a row's job, or None after its fault was noted. Raises RenderError."""
        content = self._plan.prompt.content(row)
        column = self._plan.id_column
        if column is None:
            return CompiledRow(number, numbered_id(number), content)
        found = cell_id(row[column])
        if isinstance(found, IdFault):
            self._note(
                TableFault(row=number, column=column, code=found.code, reason=found.reason, fix=found.fix)
            )
            return None
        first = self._ids.first_use(found, number)
        if first is not None:
            self._note(_repeated(number, column, found, first))
            return None
        return CompiledRow(number, found, content)

    def _note(self, fault: TableFault) -> None:
        self.fault_count += 1
        self._on_fault(fault)
        if len(self.faults) < FAULTS_KEPT:
            self.faults.append(fault)


class _BoundFaults:
    """The rows that reached a bound of a template before any row was rendered."""

    def __init__(self) -> None:
        self._is_over = False
        self._rows: dict[str, list[int]] = {}  # by the reason, which names template and line

    def end(self) -> None:
        """Note that a row was rendered: it is not the template alone."""
        self._is_over = True

    def add(self, number: int, error: RenderError) -> None:
        """Add a fault of a row. Raises TableError where it is the last of BOUND_ROWS_MAX."""
        if self._is_over or error.code != BOUND or error.column is not None:
            return
        rows = self._rows.setdefault(error.reason, [])
        rows.append(number)
        if len(rows) == BOUND_ROWS_MAX:
            raise TableError(
                "the template asks too much of each row; nothing was loaded",
                where=(f"rows {', '.join(map(str, rows))}: {error.reason} [{BOUND}]",),
                fix="make its loops or its text smaller; the other rows were not tried",
            )


def _rows_of(
    table: Table, columns: tuple[str, ...]
) -> Iterator[tuple[int, Mapping[str, Any]] | tuple[int, TableFault]]:
    """Yield each row's number with the cells of some columns, or its fault."""
    places = [table.columns.index(column) for column in columns]
    for item in table.batches():
        if isinstance(item, TableFault):
            yield item.row or 0, item
            continue
        for number, cells in enumerate(item.values(places), item.first):
            yield number, dict(zip(columns, cells, strict=True))


def _fault_of(error: RenderError, number: int) -> TableFault:
    return TableFault(row=number, column=error.column, code=error.code, reason=error.reason, fix=error.fix)


def _repeated(number: int, column: str, custom_id: str, first: int) -> TableFault:
    shown = custom_id if len(custom_id) <= 60 else f"{custom_id[:59]}…"
    reason = f'the id "{shown}" is that of row {first:,} too'
    fix = "give each row an id of its own, or use another column"
    return TableFault(row=number, column=column, code="duplicate-id", reason=reason, fix=fix)
