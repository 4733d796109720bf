"""Writes a table as CSV, with columns added; rows that were CSV keep their bytes."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, Final

from runner.rules.answer_json import without_surrogates
from runner.rules.spreadsheet import without_formula
from runner.tables.cell_text import cell_texts
from runner.tables.csv_rows import TextBatch
from runner.tables.csv_table import CsvTable
from runner.tables.table import Format
from runner.tables.text_encoding import UTF8_BOM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from runner.tables.table import AddedColumn, RowBatch, Sink, Table

_LINE_END: Final = "\r\n"  # csv quotes cells that hold a character of it; it is cut off again


class CsvWriter:
    """Writes CSV or TSV. Characters that the encoding lacks become ?.

    A CSV table of the same delimiter keeps its bytes: the added cells stand before the line end of each row,
    in the table's encoding. Any other, and one for spreadsheets, is written as UTF-8, with \\n, and quotes
    where needed. For spreadsheets, it has a BOM, and no cell of it is run as a formula.
    """

    def __init__(
        self,
        sink: Sink,
        table: Table,
        added: Sequence[AddedColumn],
        *,
        spreadsheet: bool,
        format: Format = Format.CSV,  # noqa: A002 - the word for it
    ) -> None:
        """Write nothing yet. `format` is CSV or TSV; CSV keeps the delimiter of a CSV table."""
        self._sink = sink
        self._table = table
        self._added = [column.name for column in added]
        self._spreadsheet = spreadsheet
        self._delimiter = _delimiter(format, table)
        self._same: CsvTable | None = None  # the table whose bytes are kept
        if isinstance(table, CsvTable) and table.delimiter == self._delimiter and not spreadsheet:
            self._same = table
        self._encoding = self._same.encoding if self._same else "utf-8"
        self._has_begun = False

    def write(self, batch: RowBatch, added: Sequence[Sequence[Any]]) -> None:
        """Write a batch; `added` has a sequence of len(batch) values for each added column."""
        self._begin()
        columns = [cell_texts(values) for values in added]
        new = zip(*columns, strict=True) if columns else iter([()] * len(batch))
        if self._same and isinstance(batch, TextBatch):
            self._sink.add(b"".join(self._extended(batch.raws, new)))
            return
        old = batch.values(range(len(self._table.columns)))
        rows = ((*cell_texts(cells), *more) for cells, more in zip(old, new, strict=True))
        self._sink.add(self._encoded("".join(self._lines(rows))))

    def finish(self) -> None:
        """Write the blank lines after the last row, and the header if there was no row."""
        self._begin()
        if self._same:
            self._sink.add(self._same.tail)

    def _begin(self) -> None:
        if self._has_begun:
            return
        self._has_begun = True
        if self._same:
            self._sink.add(b"".join(self._extended([self._same.header], [self._added])))
            return
        header = "".join(self._lines([(*self._table.columns, *self._added)]))
        self._sink.add((UTF8_BOM if self._spreadsheet else b"") + self._encoded(header))

    def _extended(self, raws: list[bytes], added: Iterable[Sequence[str]]) -> Iterator[bytes]:
        """Yield each row's bytes with the added cells before its line end."""
        cells = self._texts(("", *more) for more in added) if self._added else [""] * len(raws)
        for raw, text in zip(raws, cells, strict=True):
            body = raw.rstrip(b"\r\n")
            yield body + self._encoded(text) + raw[len(body) :]

    def _lines(self, rows: Iterable[Sequence[str]]) -> Iterator[str]:
        if self._spreadsheet:
            rows = (tuple(map(without_formula, row)) for row in rows)
        return (f"{text}\n" for text in self._texts(rows))

    def _texts(self, rows: Iterable[Sequence[str]]) -> list[str]:
        """Return each row as CSV without a line end."""
        texts = _Texts()
        csv.writer(texts, delimiter=self._delimiter, lineterminator=_LINE_END).writerows(rows)
        return [text[: -len(_LINE_END)] for text in texts]

    def _encoded(self, text: str) -> bytes:
        """Return the text in the encoding of the file; lone surrogates become U+FFFD, what it lacks a ?."""
        try:
            return text.encode(self._encoding)
        except UnicodeEncodeError:
            return without_surrogates(text).encode(self._encoding, "replace")


class _Texts(list[str]):
    """A list that csv.writer can write to: an item for each row."""

    write = list.append


def _delimiter(format: Format, table: Table) -> str:  # noqa: A002 - the word for it
    if format is Format.TSV:
        return "\t"
    return table.delimiter if isinstance(table, CsvTable) and table.format is Format.CSV else ","
