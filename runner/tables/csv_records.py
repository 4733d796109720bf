"""Reads the records of a CSV file, each with the bytes that it came from, and passes over broken ones.

A record is one row, or a blank line; a quoted cell may take it over several lines. The file is read in blocks
of whole lines. A record that is open at the end of a block is read again with the next one that has a
quote; blocks grow with it, so that also a long record is read in linear time.
"""

from __future__ import annotations

import csv
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules.redact import plain
from runner.tables.csv_quotes import QUOTE, allow_long_cells, find_quote_fault

if TYPE_CHECKING:
    from _csv import Reader as CsvReader
    from collections.abc import Generator, Iterator, Sequence

    from runner.tables.csv_quotes import QuoteFault
    from runner.tables.stored_file import StoredFile

ROW_BYTES_MAX: Final = 64 * 1024 * 1024
BLOCK_BYTES: Final = 512 * 1024
_GROWTH: Final = 4  # the next block has at least this part of an open record
_BROKEN_BYTES_MAX: Final = 1024 * 1024  # within so many bytes the quotes of a broken record may balance
_QUOTE: Final = QUOTE.encode()


class Records(NamedTuple):
    """Records that follow one another.

    `cells` is empty for a blank line; `raws` are the bytes with their line ends; `lines` the number of the
    line in which each begins. `needs_check` says that a record may be too long or hold bytes that are not of
    the encoding, which stand in its cells as surrogates (as `surrogateescape` makes them).
    """

    cells: list[list[str]]
    raws: list[bytes]
    lines: Sequence[int]
    needs_check: bool


class BrokenRecord(NamedTuple):
    """A record that cannot be read: its line, the index of the cell at fault if known, and the fault."""

    line: int
    cell: int | None
    code: str
    reason: str
    fix: str


class RecordReader:
    """The records of one file, read once. Raises what reading the file raises."""

    def __init__(
        self,
        stored: StoredFile,
        *,
        encoding: str,
        delimiter: str,
        preamble: bytes = b"",
        row_bytes_max: int = ROW_BYTES_MAX,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        """Read nothing yet; `preamble` is what the file begins with before its first record."""
        self._stored = stored
        self._encoding = encoding
        self._delimiter = delimiter
        self._preamble = preamble
        self._row_bytes_max = row_bytes_max
        self._block_bytes = block_bytes
        self._line = 1  # the number of the first line that is not yet passed on
        self._skipped_quotes: int | None = None  # modulo 2, of a record that is skipped; None: none is
        self._open: QuoteFault | None = None  # at the end of the last block, without a quote after it
        self._has_multiline = False
        allow_long_cells()

    @property
    def line(self) -> int:
        """Return the number of the first line that has not been read."""
        return self._line

    def __iter__(self) -> Iterator[Records | BrokenRecord]:
        """Yield the records in their order."""
        self._stored.read(len(self._preamble))
        self._line += len(self._preamble.splitlines()) if self._preamble.endswith((b"\n", b"\r")) else 0
        rest = b""
        is_last = False
        while not is_last:
            size = max(self._block_bytes, len(rest) // _GROWTH)
            block = self._stored.read(size)
            is_last = len(block) < size
            rest += block
            if self._open is None or _QUOTE in block:
                rest = yield from self._read_block(rest, is_last=is_last)
            elif is_last:
                yield _broken(self._open, self._line, 1)
            if len(rest) > self._row_bytes_max:
                yield too_long(self._line, self._row_bytes_max)
                rest = self._begin_skip(rest)

    def _read_block(self, block: bytes, *, is_last: bool) -> Generator[Records | BrokenRecord, None, bytes]:
        """Yield the records of a block; return the bytes of the one that is open at its end."""
        self._open = None
        lines = block.splitlines(keepends=True)
        del block  # a record may be large
        partial = b"" if is_last or not lines or lines[-1].endswith(b"\n") else lines.pop()
        if self._skipped_quotes is not None:
            lines, partial = self._skip(lines, partial, self._skipped_quotes)
        passed = yield from self._parse(lines, is_last=is_last)
        if _QUOTE in partial:  # which may close the one that is open
            self._open = None
        return b"".join(lines[passed:]) + partial

    def _parse(self, lines: list[bytes], *, is_last: bool) -> Generator[Records | BrokenRecord, None, int]:
        """Yield the records of whole lines; return the number of lines before the one that is still open."""
        texts, is_decoded = self._decode(lines)
        needs_check = not is_decoded or sum(map(len, lines)) > self._row_bytes_max
        start = 0
        while start < len(lines):
            parsed = self._records(texts, start)
            if parsed.cells:
                records = self._with_raws(parsed, lines, start, needs_check=needs_check)
                self._line += parsed.ends[-1] - start
                start = parsed.ends[-1]
                yield records
            if parsed.failed_after is None:
                break
            fault = find_quote_fault("".join(texts[start : parsed.failed_after]), self._delimiter)
            end = self._end_of_broken(lines, start, parsed.failed_after, fault, is_last=is_last)
            if end is None:
                self._open = fault if fault.closed is None else None
                break
            yield _broken(fault, self._line, end - start)
            self._line += end - start
            start = end
        return start

    def _decode(self, lines: list[bytes]) -> tuple[list[str], bool]:
        """Return the lines as text, and whether all their bytes are of the encoding."""
        encoding = self._encoding
        try:
            return [line.decode(encoding) for line in lines], True
        except UnicodeDecodeError:
            return [line.decode(encoding, "surrogateescape") for line in lines], False

    def _records(self, texts: list[str], start: int) -> _Parsed:
        """Return the records from a line on, up to one that is open or broken."""
        if not self._has_multiline:
            reader = self._reader(texts, start)
            with suppress(csv.Error):
                cells = list(reader)
                if len(cells) == len(texts) - start:
                    return _Parsed(cells, range(start + 1, len(texts) + 1), None)
        parsed = self._one_by_one(texts, start)
        self._has_multiline = not parsed.ends or len(parsed.cells) < parsed.ends[-1] - start
        return parsed

    def _one_by_one(self, texts: list[str], start: int) -> _Parsed:
        reader = self._reader(texts, start)
        cells: list[list[str]] = []
        ends: list[int] = []
        try:
            for row in reader:
                cells.append(row)
                ends.append(start + reader.line_num)
        except csv.Error:
            return _Parsed(cells, ends, start + reader.line_num)
        return _Parsed(cells, ends, None)

    def _reader(self, texts: list[str], start: int) -> CsvReader:
        lines = map(texts.__getitem__, range(start, len(texts))) if start else texts
        return csv.reader(lines, delimiter=self._delimiter, strict=True)

    def _with_raws(self, parsed: _Parsed, lines: list[bytes], start: int, *, needs_check: bool) -> Records:
        cells, ends, _ = parsed
        numbers: Sequence[int] = range(self._line, self._line + len(cells))
        raws = lines[start : ends[-1]]
        if len(cells) < len(raws):
            raws = [b"".join(lines[begin:end]) for begin, end in pairwise((start, *ends))]
            numbers = [self._line + begin - start for begin in (start, *ends[:-1])]
        return Records(cells, raws, numbers, needs_check)

    def _end_of_broken(
        self, lines: list[bytes], start: int, failed_after: int, fault: QuoteFault, *, is_last: bool
    ) -> int | None:
        """Return where a broken record ends; None where that is in the next block.

        It ends where its quotes balance: what follows an error may still be inside of a cell, and must not
        be taken for a row. Where they balance nowhere near, it ends with the line of the error.
        """
        if fault.closed is None:
            return len(lines) if is_last else None
        quotes = 0
        for index in range(start, len(lines)):
            quotes += lines[index].count(_QUOTE)
            if index + 1 >= failed_after and quotes % 2 == 0:
                return index + 1
        may_grow = sum(map(len, lines[start:])) <= _BROKEN_BYTES_MAX
        return None if may_grow and not is_last else failed_after

    def _begin_skip(self, rest: bytes) -> bytes:
        """Skip the beginning of a record that is too long; return its last byte, maybe half of a line end."""
        skipped = rest[:-1]
        self._open = None
        self._skipped_quotes = skipped.count(_QUOTE) % 2
        self._line += skipped.count(b"\n") + skipped.count(b"\r") - skipped.count(b"\r\n")
        return rest[-1:]

    def _skip(self, lines: list[bytes], partial: bytes, quotes: int) -> tuple[list[bytes], bytes]:
        """Skip a record up to the line at whose end its quotes balance; return what follows it."""
        for index, line in enumerate(lines, 1):
            quotes += line.count(_QUOTE)
            self._line += 1
            if quotes % 2 == 0:
                self._skipped_quotes = None
                return lines[index:], partial
        self._skipped_quotes = (quotes + partial[:-1].count(_QUOTE)) % 2
        return [], partial[-1:]  # which may be half of a line end


class _Parsed(NamedTuple):
    """Records with the number of lines up to the end of each, and up to an error after them."""

    cells: list[list[str]]
    ends: Sequence[int]
    failed_after: int | None


def too_long(line: int, bytes_max: int) -> BrokenRecord:
    """Return the fault of a row that begins in a line and has more bytes than the limit."""
    size = f"{bytes_max >> 20} MiB" if bytes_max >> 20 else f"{bytes_max:,} bytes"
    fix = "close the quotes of its cells where one is left open; else put its long texts elsewhere"
    return BrokenRecord(line, None, "row-too-long", f"the row is longer than {size}", fix)


def _broken(fault: QuoteFault, line: int, line_count: int) -> BrokenRecord:
    opened = line + fault.opened
    if fault.closed is None:
        reason = f"the quote that opens a cell in line {opened} is never closed"
        fix = f"close the cell with {QUOTE}, or write {QUOTE * 4} for a cell that is only a quote"
        return BrokenRecord(opened, fault.cell, "unclosed-quote", reason, fix)
    closed = line + fault.closed
    where = "" if opened == closed else f" that opened in line {opened}"
    taken = "" if line_count == 1 else f"; lines {line} to {line + line_count - 1} are taken as one row"
    return BrokenRecord(
        closed,
        fault.cell,
        "text-after-quote",
        f"text follows the closing quote of a cell{where}: {plain(fault.follows.rstrip())}{taken}",
        f"write a quote inside of a quoted cell twice ({QUOTE * 2})",
    )
