"""CSV that is written again keeps its bytes; the added cells stand at the end of each row."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from csv_files import csv_table, written
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.summary_object import RecodedFile
from runner.tables.csv_records import BLOCK_BYTES
from runner.tables.table import AddedColumn, CellKind, Format, ReadOptions, UnencodableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from runner.rules.table_faults import TableFault

BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a,b\n1,2\n", b"a,b,label\n1,2,x\n"),
        (b"a,b\n1,2", b"a,b,label\n1,2,x"),
        (b"a,b", b"a,b,label"),
        (b'"a",b\r\n"1","2\r\n"\r\n', b'"a",b,label\r\n"1","2\r\n",x\r\n'),
        (b"a,b\r1,2\r", b"a,b,label\r1,2,x\r"),
        (b"a,b\r\r\n1,2\r\r\n", b"a,b,label\r\r\n1,2,x\r\r\n"),
        (b"\na,b\n\n\n1,2\n\n", b"\na,b,label\n\n\n1,2,x\n\n"),
        (b"a\nx\n\ny\n", b"a,label\nx,x\n,x\ny,x\n"),
        (BOM + b"a;b\n1;2\n", BOM + b"a;b;label\n1;2;x\n"),
        (b"sep=;\na;b\n1;2\n", b"sep=;\na;b;label\n1;2;x\n"),
        (b"a|b\n1|2\n", b"a|b|label\n1|2|x\n"),
        (b"a,b\n\xe9,2\n", b"a,b,label\n\xe9,2,x\n"),
    ],
)
def test_bytes_are_kept(tmp_path: Path, content: bytes, expected: bytes) -> None:
    """Quotes, line ends, blank lines, the mark at the beginning, the encoding."""
    assert written(csv_table(tmp_path, content))[0] == expected


def test_blank_lines_are_kept_between_blocks(tmp_path: Path) -> None:
    """The last line of a block may be blank."""
    rows = b"1,2\n" * ((BLOCK_BYTES - 5) // 4)
    content = b"a,b\n" + rows + b"\n" * 9 + b"3,4\n" * 3
    expected = b"a,b,label\n" + rows.replace(b"\n", b",x\n") + b"\n" * 9 + b"3,4,x\n" * 3

    assert written(csv_table(tmp_path, content))[0] == expected


def test_bytes_are_kept_where_an_encoding_has_two_for_a_character(tmp_path: Path) -> None:
    """0xED40 and 0xFA5C are the same character in cp932."""
    content = b"a,b\n\xed\x40,\xfa\x5c\n"

    assert written(csv_table(tmp_path, content, encoding="cp932"))[0] == b"a,b,label\n\xed\x40,\xfa\x5c,x\n"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("text", "text"),
        ("", ""),
        (None, ""),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (0.5, "0.5"),
        (1e300, "1e+300"),
        (["a", "é,"], '"[""a"",""é,""]"'),
        ({"k": [1, None]}, '"{""k"":[1,null]}"'),
        ('say "hi"', '"say ""hi"""'),
        ("a,b", '"a,b"'),
        ("a\nb", '"a\nb"'),
        ("a\rb", '"a\rb"'),
        ("half \ud83d", "half \ufffd"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00+00:00"),
        (b"\x00\xff", "AP8="),
        (Decimal("1.10"), "1.10"),
        ([date(2026, 1, 2)], '"[""2026-01-02""]"'),
        (float("nan"), "NaN"),
    ],
)
def test_values_become_cells(tmp_path: Path, value: object, cell: str) -> None:
    """Numbers as JSON writes them, lists and objects as JSON, None empty; quoted where needed."""
    content, _ = written(csv_table(tmp_path, b"a,b\n1,2\n"), lambda _: value)

    assert content.decode() == f"a,b,label\n1,2,{cell}\n"


@pytest.mark.parametrize("label", ["→", "\ud83d"])
def test_what_the_encoding_lacks_is_refused(tmp_path: Path, label: str) -> None:
    """A question mark in its place would be another label."""
    with pytest.raises(UnencodableError):
        written(csv_table(tmp_path, b"a,b\n\xe9,2\n"), lambda _: label)


def test_a_table_can_be_written_in_utf8_instead(tmp_path: Path) -> None:
    """With a mark at its beginning; everything else stays, and the cells that need it are counted."""
    content = b'\na;"b\xdf"\r\n\xe9;"2\r\n"\r\n\r\n\xe8;3\r\n\n'
    found, writer = written(csv_table(tmp_path, content), lambda n: "é→→…" if n == 1 else "ok…", as_utf8=True)

    assert found == BOM + '\na;"bß";label\r\né;"2\r\n";é→→…\r\n\r\nè;3;ok…\r\n\n'.encode()
    assert writer.recoded == RecodedFile(encoding="utf-8", table_encoding="cp1252", cells=1)


def test_the_name_of_a_label_counts_as_a_cell(tmp_path: Path) -> None:
    """It may be in no encoding but UTF-8."""
    name = (AddedColumn("оценка", CellKind.TEXT),)
    found, writer = written(csv_table(tmp_path, b"\xe9\n1\n"), added=name, as_utf8=True)

    assert found == BOM + "é,оценка\n1,x\n".encode()
    assert writer.recoded == RecodedFile(encoding="utf-8", table_encoding="cp1252", cells=1)


def test_another_delimiter_is_written_in_full(tmp_path: Path) -> None:
    """From CSV to TSV and back; UTF-8, whatever the input was."""
    comma = csv_table(tmp_path, b'a,b\r\n"1,5",\xe9\r\n\r\n"x\ty",2\r\n')
    assert written(comma, format=Format.TSV)[0] == 'a\tb\tlabel\n1,5\té\tx\n"x\ty"\t2\tx\n'.encode()
    tab = csv_table(tmp_path, b"a\tb\n1,5\t2\n", format=Format.TSV)
    assert written(tab, format=Format.CSV)[0] == b'a,b,label\n"1,5",2,x\n'
    tab = csv_table(tmp_path, b"a\tb\n1,5\t2\n", format=Format.TSV)
    assert written(tab, format=Format.TSV)[0] == b"a\tb\tlabel\n1,5\t2\tx\n"


def test_several_columns_or_none(tmp_path: Path) -> None:
    """They follow one another; without any, the table is as before."""
    two = [AddedColumn("l,1", CellKind.TEXT), AddedColumn("l2", CellKind.TEXT)]
    assert written(csv_table(tmp_path, b"a\n1\n"), added=two)[0] == b'a,"l,1",l2\n1,x,x\n'
    assert written(csv_table(tmp_path, b"a\n1\n"), added=[])[0] == b"a\n1\n"


def test_a_table_for_spreadsheets_runs_no_formula(tmp_path: Path) -> None:
    """In no cell, whether it was there or is added; other text and numbers stay."""
    content = b'=a,b\n"=cmd()|x",-1.5\n"\n@x","two\nlines"\n'
    expected = """\ufeff'=a,b,label\n'=cmd()|x,-1.5,'+1+1\n"'\n@x","two\nlines",'+1+1\n"""

    assert written(csv_table(tmp_path, content), lambda _: "+1+1", spreadsheet=True)[0].decode() == expected


@dataclass
class ValueBatch:
    """A batch of another format: values of any type."""

    first: int
    rows: list[tuple[Any, ...]]

    def __len__(self) -> int:
        return len(self.rows)

    def values(self, columns: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        return (tuple(row[column] for column in columns) for row in self.rows)


class ValueTable:
    """A table of another format, in memory."""

    format = Format.JSONL
    reading = ReadOptions(format=Format.JSONL)
    columns: tuple[str, ...] = ("a", "b,c")
    sha256 = ""
    byte_count = 0

    def batches(self) -> Iterator[ValueBatch | TableFault]:
        yield ValueBatch(1, [(None, "é,"), (True, ["x"]), (3, "\ud800")])
        yield ValueBatch(4, [({"k": 1.5}, b"\xff")])


def test_a_table_of_another_format_becomes_standard_csv() -> None:
    """UTF-8 with \\n, quotes where needed, values as text."""
    expected = 'a,"b,c",label\n,"é,",x\ntrue,"[""x""]",x\n3,\ufffd,x\n"{""k"":1.5}",/w==,x\n'

    assert written(ValueTable())[0].decode() == expected


CELL = st.text(st.sampled_from('a0=,;|\t"\r\n\0 \ufeffé→\u2028\x85\x0b'), max_size=6) | st.sampled_from(
    ["00042", "=cmd()", '""', "NA"]
)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, str, list[list[str]], list[bytes]]:
    """Return a CSV file, its delimiter, its rows and the bytes of each, written without the csv module."""
    delimiter = draw(st.sampled_from(",;\t|"))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    columns = draw(st.integers(2, 4))
    rows = draw(st.lists(st.lists(CELL, min_size=columns, max_size=columns), max_size=8))

    def stored(cell: str) -> str:
        must = any(char in cell for char in f'{delimiter}"\r\n') or cell.startswith("\ufeff")
        return '"' + cell.replace('"', '""') + '"' if must or draw(st.booleans()) else cell

    lines = [delimiter.join(map(stored, row)) for row in [[f"c{n}" for n in range(columns)], *rows]]
    blanks = [draw(st.sampled_from(["", "", end])) for _ in lines]
    records = [(blank + line).encode() for blank, line in zip(blanks, lines, strict=True)]
    bom = draw(st.sampled_from([b"", BOM]))
    last = draw(st.sampled_from([end, ""])).encode()
    return bom + end.encode().join(records) + last, delimiter, rows, records


@given(files(), st.lists(CELL, min_size=8, max_size=8))
def test_a_random_table_comes_back_with_its_labels(
    tmp_path_factory: pytest.TempPathFactory,
    case: tuple[bytes, str, list[list[str]], list[bytes]],
    labels: list[str],
) -> None:
    """The bytes of each row stand as before, in their order; another reader reads rows and labels right."""
    content, delimiter, rows, records = case
    table = csv_table(tmp_path_factory.mktemp("csv"), content, delimiter=delimiter)
    output, _ = written(table, lambda n: labels[n - 1])

    read = list(
        csv.reader(io.StringIO(output.decode("utf-8-sig"), newline=""), delimiter=delimiter, strict=True)
    )
    expected = [[*row, label] for row, label in zip(rows, labels, strict=False)]
    assert [row for row in read if row][1:] == expected
    position = 0
    for record in records:
        position = output.index(record + delimiter.encode(), position) + len(record)
    assert len(output) - len(content) == len(_encoded(labels[: len(rows)], delimiter)) + len(
        delimiter + "label"
    )


def _encoded(labels: list[str], delimiter: str) -> bytes:
    """Return all labels as they must be stored, each after a delimiter."""
    cells = [f'"{x.replace(chr(34), chr(34) * 2)}"' if set(x) & {*delimiter, *'"\r\n'} else x for x in labels]
    return "".join(delimiter + cell for cell in cells).encode()
