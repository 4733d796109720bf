"""CSV is read as it stands: every cell as text, every fault with its row and line."""

from __future__ import annotations

import gzip
import hashlib
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from csv_files import csv_table, rows_of

from runner.rules.table_faults import TableFault
from runner.tables.table import Format, TableError

if TYPE_CHECKING:
    from pathlib import Path

BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"a,b\n1,2\n", [("1", "2")]),
        (b"a,b\n1,2", [("1", "2")]),
        (b"a,b\r\n1,2\r\n", [("1", "2")]),
        (b"a,b\r1,2\r3,4\r", [("1", "2"), ("3", "4")]),
        (b"a,b\r\r\n1,2\r\r\n", [("1", "2")]),
        (b"a,b\n00002, x \n", [("00002", " x ")]),
        (b'a,b\n"1,""x""\r\n2",\n', [('1,"x"\r\n2', "")]),
        (b'a,b\n5" disk,=cmd()\n', [('5" disk', "=cmd()")]),
        (b'a,b\nx\0y,"\0"\n', [("x\0y", "\0")]),
        ("a,b\n\u2028,\x85\x0b\x1c\n".encode(), [("\u2028", "\x85\x0b\x1c")]),
        (BOM + b"a,b\n1,2\n", [("1", "2")]),
        (BOM + b'"a",b\n1,2\n', [("1", "2")]),
        (b"a;b\n1,5;2\n", [("1,5", "2")]),
        (b"a\tb\n1\t2\n", [("1", "2")]),
        (b"sep=|\r\na|b\r\n1|2\r\n", [("1", "2")]),
        (b"\n\na,b\n\n1,2\n\n3,4\n\n", [("1", "2"), ("3", "4")]),
        (b"a,b\n", []),
        (b"a,b", []),
    ],
)
def test_cells_are_read_as_they_stand(tmp_path: Path, content: bytes, rows: list[tuple[str, str]]) -> None:
    """Two columns, a and b, however they are stored; nothing is trimmed, counted or converted."""
    table = csv_table(tmp_path, content)
    read, faults = rows_of(table)

    assert table.columns == ("a", "b")
    assert [row[1:] for row in read] == rows
    assert [row[0] for row in read] == list(range(1, len(rows) + 1))
    assert faults == []


def test_a_blank_line_is_an_empty_cell_in_a_table_of_one_column(tmp_path: Path) -> None:
    """Spreadsheets write it so; the row is not lost."""
    rows, _ = rows_of(csv_table(tmp_path, b'a\nx\n\n""\ny\n'))

    assert rows == [(1, "x"), (2, ""), (3, ""), (4, "y")]


@pytest.mark.parametrize(
    ("content", "options", "encoding", "cell"),
    [
        (b"a,b\n\xc3\xa9,1\n", {}, "utf-8", "é"),
        (b"a,b\n\xe9\x80,1\n", {}, "cp1252", "é€"),
        (b"a,b\n\xe9,1\n", {"encoding": "latin-1"}, "iso8859-1", "é"),
        (b"a,b\n\xc3\xa9,1\n", {"encoding": "cp1252"}, "cp1252", "Ã©"),
        (b"a,b\n\xc3\xa9,1\n", {"encoding": "Windows-1252"}, "cp1252", "Ã©"),
        (b"a,b\n\x82\xa0,1\n", {"encoding": "shift_jis"}, "shift_jis", "あ"),
        (BOM + b"a,b\n\xc3\xa9,1\n", {"encoding": "utf-8-sig"}, "utf-8", "é"),
        (BOM + b"a,b\n\xc3\xa9,1\n", {"encoding": "UTF8"}, "utf-8", "é"),
    ],
)
def test_the_encoding_is_given_or_found(
    tmp_path: Path, content: bytes, options: dict[str, Any], encoding: str, cell: str
) -> None:
    """UTF-8, else Windows-1252."""
    table = csv_table(tmp_path, content, **options)

    assert table.encoding == encoding
    assert rows_of(table) == ([(1, cell, "1")], [])


def faults_of(folder: Path, content: bytes, **options: Any) -> list[tuple[int | None, int | None, str]]:
    """Return row, line and code of each fault."""
    _, faults = rows_of(csv_table(folder, content, **options))
    return [(fault.row, fault.line, fault.code) for fault in faults]


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        (b"1\n", [(1, 2, "too-few-cells")]),
        (b"1,2\n1,2,3\n1\n1,2\n", [(2, 3, "too-many-cells"), (3, 4, "too-few-cells")]),
        (b'"x\ny",2\n\n1\n', [(2, 5, "too-few-cells")]),
        (b'1,2\n3,"x\ny\nz', [(2, 3, "unclosed-quote")]),
        (b'1,2\n"a\nb","x\ny,1\n', [(2, 4, "unclosed-quote")]),
        (b'"say "hi"",2\n1,2\n', [(1, 2, "text-after-quote")]),
        (b'"5" disk",2\n1,2\n', [(1, 2, "text-after-quote")]),
        (b'"x\n5"y\nme",2\n1,2\n', [(1, 3, "text-after-quote")]),
        (b"1,2\n\xc3\xa9,1\n\xff,2\n", [(3, 4, "not-utf8")]),
        (b'"\xc3\xa9",1\n"x\ny","z\n\xff"\n3,4\n', [(2, 5, "not-utf8")]),
    ],
)
def test_a_fault_names_row_and_line(tmp_path: Path, body: bytes, faults: list[tuple[int, int, str]]) -> None:
    """All faults are found in one pass."""
    assert faults_of(tmp_path, b"a,b\n" + body) == faults


def test_rows_around_a_fault_keep_their_numbers(tmp_path: Path) -> None:
    """The row at fault counts, and is in no batch."""
    rows, _ = rows_of(csv_table(tmp_path, b'a,b\n1,2\n3\n4,5\n"x"y,1\n6,7\n'))

    assert rows == [(1, "1", "2"), (3, "4", "5"), (5, "6", "7")]


def test_the_inside_of_a_broken_cell_is_no_row(tmp_path: Path) -> None:
    """The line that ends the cell looks like a row of two cells; so do those up to the end of the file."""
    broken = csv_table(tmp_path, b'a,b\n"say "hi" to\nme",x\n1,2\n')
    assert rows_of(broken)[0] == [(2, "1", "2")]
    unclosed = csv_table(tmp_path, b'a,b\n1,"x\n1,2\n1,2\n')
    assert rows_of(unclosed)[0] == []


def test_a_fault_says_what_to_do(tmp_path: Path) -> None:
    """The column by name, the place where the quote began, and the cure."""
    _, (fault,) = rows_of(csv_table(tmp_path, b'id,text\n1,"x\ny" z",\n2,b\n'))
    assert fault == TableFault(
        row=1,
        line=3,
        column="text",
        code="text-after-quote",
        reason='text follows the closing quote of a cell that opened in line 2:  z",;'
        " lines 2 to 3 are taken as one row",
        fix='write a quote inside of a quoted cell twice ("")',
    )
    _, (fault,) = rows_of(csv_table(tmp_path, b"id,text\n1,\xc3\xa9\n2,\x93b\n"))
    assert (fault.column, fault.reason) == ("text", "the byte 0x93 is not UTF-8")
    assert "--encoding cp1252" in fault.fix


def test_bad_names_of_columns_are_faults_each(tmp_path: Path) -> None:
    """Empty ones and doubles; the rows are read nevertheless."""
    rows, faults = rows_of(csv_table(tmp_path, b"\n,a,b,a, ,b\n1,2,3,4,5,6\n"))

    assert [(fault.line, fault.column, fault.code) for fault in faults] == [
        (2, None, "empty-column-name"),
        (2, None, "empty-column-name"),
        (2, "a", "duplicate-column-name"),
        (2, "b", "duplicate-column-name"),
    ]
    assert "2, 4" in faults[2].reason
    assert rows == [(1, *"123456")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\n\r\n", "the table is empty"),
        (BOM, "the table is empty"),
        (b'a,"b\n1,2\n', "line 1, in the header: the quote that opens a cell in line 1 is never closed"),
        (b"a,\xe9\n\xc3\xa9,1\n", "line 1, in the header: the byte 0xe9 is not UTF-8"),
        (b"a,b\n\x81\xff,1\n", "line 2 of the table is neither UTF-8 nor Windows-1252"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:15], "table.csv: the gzip file is cut short"),
    ],
)
def test_a_table_without_a_header_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """As a whole, with a cure."""
    with pytest.raises(TableError) as caught:
        csv_table(tmp_path, content)
    assert caught.value.what.startswith(said)
    assert caught.value.fix


def test_gzip_that_is_cut_short_is_a_fault(tmp_path: Path) -> None:
    """Of the table, not of a row; the digest covers all bytes nevertheless."""
    text = b"a,b\n" + b"".join(
        b"%d,%s\n" % (n, Random(n).randbytes(200).hex().encode()) for n in range(6_000)
    )
    stored = gzip.compress(text)[:-100]
    table = csv_table(tmp_path, stored)
    rows, (fault,) = rows_of(table)

    assert (fault.row, fault.code) == (None, "bad-gzip")
    assert len(rows) > 2_000
    assert fault.line == len(rows) + 2
    assert table.sha256 == hashlib.sha256(stored).hexdigest()


def test_gzip_that_is_damaged_is_read_to_its_end(tmp_path: Path) -> None:
    """The digest covers also what follows the damage."""
    text = b"a,b\n" + b"".join(
        b"%d,%s\n" % (n, Random(n).randbytes(200).hex().encode()) for n in range(6_000)
    )
    stored = gzip.compress(text)[:-8] + bytes(8) + bytes(1_000_000)
    table = csv_table(tmp_path, stored)
    _, (fault,) = rows_of(table)

    assert (fault.row, fault.code) == (None, "bad-gzip")
    assert table.sha256 == hashlib.sha256(stored).hexdigest()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_the_digest_is_of_the_stored_bytes(tmp_path: Path, pack: Any) -> None:
    """Of all of them after the last batch."""
    stored = pack(b"a,b\n" + b"1,2\n" * 7_000)
    table = csv_table(tmp_path, stored)
    assert table.byte_count == 0
    rows, faults = rows_of(table)

    assert (len(rows), faults) == (7_000, [])
    assert table.sha256 == hashlib.sha256(stored).hexdigest()
    assert table.byte_count == len(stored)


def test_a_table_that_changes_is_noticed(tmp_path: Path) -> None:
    """Between its header and its rows."""
    table = csv_table(tmp_path, b"a,b\n1,2\n")
    csv_table(tmp_path, b"b,a\n1,2\n")

    with pytest.raises(TableError, match="was changed"):
        rows_of(table)


def test_wide_rows_and_long_cells_are_read(tmp_path: Path) -> None:
    """10,000 columns, and a cell of 1 MB, over several blocks."""
    names = ",".join(f"column{n}" for n in range(10_000))
    row = ",".join(["x"] * 9_998)
    text = "line of text,\n" * 80_000
    content = f'{names}\n{row},y,"{text}"\n{row},y,z\n'.encode()
    table = csv_table(tmp_path, content)
    rows, faults = rows_of(table)

    assert faults == []
    assert [(row[0], len(row), row[-2]) for row in rows] == [(1, 10_001, "y"), (2, 10_001, "y")]
    assert rows[0][-1] == text


def test_batches_are_small(tmp_path: Path) -> None:
    """At most 5,000 rows, fewer where they are wide."""
    table = csv_table(tmp_path, b"a,b\n" + b"1,2\n" * 12_000)
    assert [len(batch) for batch in table.batches() if not isinstance(batch, TableFault)] == [
        5_000,
        5_000,
        2_000,
    ]
    wide = csv_table(
        tmp_path, b",".join(b"c%d" % n for n in range(1_000)) + b"\n" + (b"," * 999 + b"\n") * 600
    )
    sizes = [len(batch) for batch in wide.batches() if not isinstance(batch, TableFault)]
    assert sum(sizes) == 600
    assert max(sizes) <= 500


def test_values_of_some_columns(tmp_path: Path) -> None:
    """In the order asked for; none is an empty row each."""
    table = csv_table(tmp_path, b"a,b,c\n1,2,3\n4,5,6\n", format=Format.CSV)
    (batch,) = table.batches()
    assert not isinstance(batch, TableFault)

    assert list(batch.values([2, 0])) == [("3", "1"), ("6", "4")]
    assert list(batch.values([1])) == [("2",), ("5",)]
    assert list(batch.values([])) == [(), ()]
