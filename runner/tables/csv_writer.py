"""Writes a table as CSV, with columns added; rows that were CSV keep their bytes."""

from __future__ import annotations

import csv
from codecs import BOM_UTF8
from typing import TYPE_CHECKING, Any, Final

from runner.rules.json_text.answer_json import without_surrogates
from runner.rules.spreadsheet import without_formula
from runner.rules.summary_object import RecodedFile
from runner.tables.cell_text import cell_texts
from runner.tables.csv_rows import TextBatch
from runner.tables.csv_table import CsvTable
from runner.tables.table import Format, UnencodableError
from runner.tables.text_encoding import is_encodable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from runner.tables.table import AddedColumn, RowBatch, Sink, Table

_LINE_END: Final = "\r\n"  # csv quotes cells that hold a character of it; it is cut off again


class CsvWriter:
    """Writes CSV or TSV.

    A CSV table of the same delimiter keeps its bytes: the added cells stand before the line end of each row,
    in the table's encoding, or both in UTF-8 behind a BOM with `as_utf8`. Any other, and one for
    spreadsheets, is written as UTF-8, with \\n, and quotes where needed. For spreadsheets, it has a BOM, and
    no cell of it is run as a formula.
    """

    def __init__(
        self,
        sink: Sink,
        table: Table,
        added: Sequence[AddedColumn],
        *,
        spreadsheet: bool,
        format: Format = Format.CSV,  # noqa: A002 - the word for it
        as_utf8: bool = False,
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
        self._recoded_from = self._same.encoding if self._same and as_utf8 else None
        self._encoding = self._same.encoding if self._same and not as_utf8 else "utf-8"
        self._has_begun = False
        self._recoded_cells = 0

    @property
    def recoded(self) -> RecodedFile | None:
        """Return what is in UTF-8 for want of characters in the table's encoding; None where nothing is."""
        if self._recoded_from is None:
            return None
        return RecodedFile(
            encoding=self._encoding, table_encoding=self._recoded_from, cells=self._recoded_cells
        )

    def write(self, batch: RowBatch, added: Sequence[Sequence[Any]]) -> None:
        """Write a batch; `added` has a sequence of len(batch) values for each added column.

        Raises UnencodableError where the encoding lacks a character of them.
        """
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
            self._sink.add(self._in_utf8(self._same.tail))

    def _begin(self) -> None:
        if self._has_begun:
            return
        self._has_begun = True
        if self._same:
            mark = BOM_UTF8 if self._recoded_from else b""
            self._sink.add(mark + b"".join(self._extended([self._same.header], [self._added])))
            return
        header = "".join(self._lines([(*self._table.columns, *self._added)]))
        self._sink.add((BOM_UTF8 if self._spreadsheet else b"") + self._encoded(header))

    def _extended(self, raws: list[bytes], added: Iterable[Sequence[str]]) -> Iterator[bytes]:
        """Yield each row's bytes with the added cells before its line end."""
        if self._recoded_from:
            raws, added = [self._in_utf8(raw) for raw in raws], list(added)
            self._recoded_cells += sum(self._is_lacking(cell) for row in added for cell in row)
        cells = self._texts(("", *more) for more in added) if self._added else [""] * len(raws)
        for raw, text in zip(raws, cells, strict=True):
            body = raw.rstrip(b"\r\n")
            yield body + self._encoded(text) + raw[len(body) :]

    def _in_utf8(self, raw: bytes) -> bytes:
        """Return bytes of the table as they are written."""
        return raw.decode(self._recoded_from).encode() if self._recoded_from else raw

    def _is_lacking(self, cell: str) -> bool:
        """Return whether the table's encoding lacks a character of a cell."""
        return not (cell.isascii() or is_encodable(cell, self._recoded_from or "utf-8"))

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
        """Return the text in the encoding of the file; lone surrogates become U+FFFD."""
        try:
            return text.encode(self._encoding)
        except UnicodeEncodeError:
            text = without_surrogates(text)
        if not is_encodable(text, self._encoding):
            raise UnencodableError
        return text.encode(self._encoding)


class _Texts(list[str]):
    """A list that csv.writer can write to: an item for each row."""

    write = list.append


def _delimiter(format: Format, table: Table) -> str:  # noqa: A002 - the word for it
    if format is Format.TSV:
        return "\t"
    return table.delimiter if isinstance(table, CsvTable) and table.format is Format.CSV else ","
