"""Records are found whatever the blocks are in which a file is read, and broken ones are passed over."""

from __future__ import annotations

import csv
import io
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runner.tables.csv_quotes import find_quote_fault
from runner.tables.csv_records import BrokenRecord, RecordReader
from runner.tables.stored_file import StoredFile

if TYPE_CHECKING:
    from pathlib import Path


def records_of(
    path: Path, content: bytes, *, block_bytes: int = 64, row_bytes_max: int = 1_000
) -> tuple[list[tuple[int, list[str], bytes]], list[tuple[int, str]]]:
    """Return line, cells and bytes of the records of a file, and line and code of the broken ones."""
    path.write_bytes(content)
    records: list[tuple[int, list[str], bytes]] = []
    broken = []
    with StoredFile(path) as stored:
        reader = RecordReader(
            stored, encoding="utf-8", delimiter=",", block_bytes=block_bytes, row_bytes_max=row_bytes_max
        )
        for some in reader:
            if isinstance(some, BrokenRecord):
                broken.append((some.line, some.code))
            else:
                records += zip(some.lines, some.cells, some.raws, strict=True)
    return records, broken


TEXT = st.text(st.sampled_from('ab,"\r\n é'), max_size=30)


@given(TEXT, st.integers(1, 9))
@example('"a\n\nb"\r\nc\r\n', 1)
@example('"a"b"\nc",\n"d"\n', 4)
@example("a\r\r\nb", 2)
@example('"a\nb"\nc\nd\n', 3)
def test_blocks_do_not_matter(tmp_path_factory: pytest.TempPathFactory, text: str, block_bytes: int) -> None:
    """The records of tiny blocks are those of one block; without a broken one, those of the csv module."""
    path = tmp_path_factory.mktemp("records") / "table.csv"
    content = text.encode()
    records, broken = records_of(path, content, block_bytes=block_bytes)

    assert (records, broken) == records_of(path, content, block_bytes=100)
    if broken:
        with pytest.raises(csv.Error):
            list(csv.reader(io.StringIO(text, newline=""), strict=True))
    else:
        assert [cells for _, cells, _ in records] == list(
            csv.reader(io.StringIO(text, newline=""), strict=True)
        )
        assert b"".join(raw for *_, raw in records) == content
    for line, _, raw in records:
        assert b"".join(content.splitlines(keepends=True)[line - 1 :]).startswith(raw)


@given(TEXT)
def test_a_quote_fault_is_where_csv_stops(text: str) -> None:
    """The slow search agrees with the csv module on every first record that it refuses."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        next(reader, None)
    except csv.Error:
        fault = find_quote_fault(text, ",")
        assert fault.opened < reader.line_num
        assert fault.closed in (None, reader.line_num - 1)
    else:
        first = "".join(io.StringIO(text, newline="").readlines()[: reader.line_num])
        with pytest.raises(ValueError, match="are right"):
            find_quote_fault(first, ",")


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        ('"a""b"c\n', (0, 0, 0, "c\n")),
        ('x,"a""\n""b', (1, 0, None, "")),
        ('"x\ry","a\r\nb"" ""\n" z', (1, 1, 3, " z")),
        ('"a","b"","c"', (1, 0, 0, 'c"')),
    ],
)
def test_a_quote_fault_names_cell_and_lines(record: str, fault: tuple[int, int, int | None, str]) -> None:
    """Cell and lines from 0, and what follows the closing quote."""
    assert find_quote_fault(record, ",") == fault


@pytest.mark.parametrize("block_bytes", [7, 64, 5_000])
@pytest.mark.parametrize(
    "row",
    [
        b"x" * 2_000 + b",1\n",
        b"x" * 2_000 + b",1\r\n",
        b'"' + b'x\n""' * 500 + b'",1\n',
        b'1,"' + b"1,2\n" * 500 + b'"\n',
        b'1,"' + b"1,2\r\n" * 400 + b'"\n',
    ],
)
def test_a_row_that_is_too_long_is_passed_over(tmp_path: Path, row: bytes, block_bytes: int) -> None:
    """As a whole: its lines do not become rows, and those after it keep their numbers."""
    content = b"1,2\n" + row + b'3,"4\n5"\n6,7'
    path = tmp_path / "table.csv"
    records, broken = records_of(path, content, block_bytes=block_bytes)
    after = 2 + row.count(b"\n")

    if block_bytes == 5_000:  # it came whole, and is refused by its length later
        del records[1]
    else:
        assert broken == [(2, "row-too-long")]
    assert records == [
        (1, ["1", "2"], b"1,2\n"),
        (after, ["3", "4\n5"], b'3,"4\n5"\n'),
        (after + 2, ["6", "7"], b"6,7"),
    ]


@pytest.mark.parametrize(
    ("row_bytes_max", "code", "peak_max"),
    [(16_384, "row-too-long", 600_000), (10**6, "unclosed-quote", 1_200_000)],
)
def test_a_quote_that_never_closes_does_not_fill_the_memory(
    tmp_path: Path, row_bytes_max: int, code: str, peak_max: int
) -> None:
    """Little more than the row is held, at most the longest one, and nothing after it is taken for a row."""
    content = b'1,2\n3,"4\n' + b"5,6\n" * 50_000
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    tracemalloc.start()
    records, broken = records_of(path, content, block_bytes=4_096, row_bytes_max=row_bytes_max)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert records == [(1, ["1", "2"], b"1,2\n")]
    assert broken == [(2, code)]
    assert peak < peak_max


def test_memory_is_flat(tmp_path: Path) -> None:
    """It is that of one or two blocks, however long the file is."""
    path = tmp_path / "table.csv"
    path.write_bytes(b"12345,a review that is quite short\n" * 15_000)
    tracemalloc.start()
    with StoredFile(path) as stored:
        reader = RecordReader(stored, encoding="utf-8", delimiter=",", block_bytes=8_192)
        count = sum(len(some.cells) for some in reader if not isinstance(some, BrokenRecord))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert count == 15_000
    assert peak < 1_500_000
