"""Parquet read: its values, and what is wrong with a file."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from arrow_tables import OF_EACH_TYPE, pa, pq, saved
from hypothesis import given
from hypothesis import strategies as st
from written import parts_of, rows_of

from runner.rules.table_faults import TableFault
from runner.tables import parquet_table
from runner.tables.parquet_table import ParquetTable
from runner.tables.table import ReadOptions, TableError

CUT = dt.datetime.fromisoformat("2001-09-09T01:46:40.123456")  # nanoseconds are cut
VALUES = {
    "lists": ["a"],
    "large lists": ["a"],
    "list views": ["a"],
    "pairs": [1, 2],
    "text views": "a",
    "large texts": "a",
    "bytes": b"\xff",
    "two bytes": b"ab",
    "dictionary": "a",
    "ordered": "x",
    "ns": CUT,
    "us with zone": CUT.replace(tzinfo=dt.UTC),
    "after 9999": "29349-01-26",
    "far away": "<value out of range: 1000000000000000000>",
    "time": dt.time(0, 0, 0, 5_000),
    "ns of the day": dt.time(0, 0, 1),
    "duration": dt.timedelta(microseconds=5),
    "decimal": Decimal("1.10"),
    "struct": {"at": CUT, "counts": [1]},
    "map": [("k", CUT)],
    "nothing": None,
    "half": 1.5,
    "unsigned": 2**64 - 1,
    "uuid": UUID(bytes=b"0" * 16),
}


@pytest.mark.parametrize("name", OF_EACH_TYPE)
def test_each_type_has_python_values(tmp_path: Path, name: str) -> None:
    """Null is None; what Python's types cannot hold is text, and stops nothing."""
    table = saved(tmp_path / "a.parquet", pa.table({name: OF_EACH_TYPE[name]}))

    assert rows_of(table) == [(VALUES[name],), (None,)]


def test_a_table_has_columns_digest_and_progress(tmp_path: Path) -> None:
    """Row groups have nothing to do with batches of ours."""
    table = saved(
        tmp_path / "a.parquet", pa.table({"n": range(12_000), "b c": ["x"] * 12_000}), row_group_size=5
    )
    content = (tmp_path / "a.parquet").read_bytes()
    batches = table.batches()
    next(batches)

    assert table.columns == ("n", "b c")
    assert 0.4 < table.byte_count / len(content) < 0.43
    assert [(item.first, len(item)) for item in batches if not isinstance(item, TableFault)] == [
        (5_001, 5_000),
        (10_001, 2_000),
    ]
    assert table.byte_count == len(content)
    assert table.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "name", ["t\udce9.parquet", "file:t.parquet", "s3:t", "t%41?.parquet", "日本.parquet"]
)
def test_a_table_may_have_any_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is no text, and one that looks like a URI; also where it is missing or something else."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError):
        ParquetTable(Path(name), ReadOptions())
    Path(name).write_bytes(b"PAR1 cut short")
    with pytest.raises(TableError, match="cut short"):
        ParquetTable(Path(name), ReadOptions())
    with Path(name).open("wb") as file:
        pq.write_table(pa.table({"n": [1, 2]}), file)

    assert rows_of(ParquetTable(Path(name), ReadOptions())) == [(1,), (2,)]


def test_some_columns_may_be_taken_in_any_order(tmp_path: Path) -> None:
    """None of them at all too."""
    (batch,) = saved(tmp_path / "a.parquet", pa.table({"a": [1, 2], "b": ["x", None]})).batches()

    assert not isinstance(batch, TableFault)
    assert list(batch.values([1, 0])) == [("x", 1), (None, 2)]
    assert list(batch.values([])) == [(), ()]


def test_batches_of_long_rows_are_short(tmp_path: Path) -> None:
    """About BATCH_BYTES, so that they do not fill the memory."""
    texts = [f"{number:06}" * 10_000 for number in range(300)]
    table = saved(tmp_path / "a.parquet", pa.table({"a": texts}), use_dictionary=False)
    sizes = [size for _, size in parts_of(table)]  # type: ignore[misc]

    assert sum(sizes) == 300
    assert max(sizes) * 60_000 <= parquet_table.BATCH_BYTES


def test_a_table_without_rows_is_one(tmp_path: Path) -> None:
    """It has a header, and no batch."""
    table = saved(tmp_path / "a.parquet", pa.table({"a": pa.array([], pa.string())}))

    assert table.columns == ("a",)
    assert parts_of(table) == []
    assert table.byte_count == (tmp_path / "a.parquet").stat().st_size


def test_text_that_is_not_utf8_is_a_fault_of_its_row(tmp_path: Path) -> None:
    """The rows around it are read."""
    texts = pa.array([b"a", b"\xff", b"\xfe", b"b", b"c"]).view(pa.string())
    before, second, third, after = parts_of(
        saved(tmp_path / "a.parquet", pa.table({"n": range(5), "t": texts}))
    )

    assert (before, after) == ((1, 1), (4, 2))
    assert isinstance(second, TableFault)
    assert isinstance(third, TableFault)
    assert (second.row, second.column, second.code) == (2, "t", "not-utf8")
    assert third.row == 3


def parquet_bytes(**columns: list[Any]) -> bytes:
    """Return the bytes of a small file."""
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, row_group_size=100)
    return file.getvalue()


GOOD = parquet_bytes(a=list(range(300)), b=[f"text {number}" for number in range(300)])
NOT_PARQUET = [
    (b"", "no Parquet file"),
    (b"a,b\n1,2\n", "no Parquet file"),
    (GOOD[:-20], "cut short or damaged"),
    (b"PAR1", "cut short or damaged"),
    (GOOD[:-4] + b"PARE", "encrypted"),
    (b"\x1f\x8b" + GOOD[:-1], "gzip"),
    (b"ARROW1\0\0" + b"\0" * 20 + b"ARROW1", "Feather"),
]


@pytest.mark.parametrize(("content", "words"), NOT_PARQUET)
def test_a_file_that_is_no_parquet_is_refused_with_a_cure(tmp_path: Path, content: bytes, words: str) -> None:
    """In a sentence, with what to do."""
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    with pytest.raises(TableError, match=words) as caught:
        ParquetTable(path, ReadOptions())

    assert caught.value.fix


def test_columns_must_differ_and_there_must_be_one(tmp_path: Path) -> None:
    """A prompt could not name them."""
    twice = pa.Table.from_arrays([pa.array([1])] * 3, ["a", "b", "a"])
    with pytest.raises(TableError, match='"a"') as caught:
        saved(tmp_path / "a.parquet", twice)
    with pytest.raises(TableError, match="no column"):
        saved(tmp_path / "b.parquet", pa.table({}))
    with pytest.raises(TableError, match="a folder"):
        ParquetTable(tmp_path, ReadOptions())
    with pytest.raises(FileNotFoundError):
        ParquetTable(tmp_path / "none.parquet", ReadOptions())

    assert caught.value.where == ("columns 1 and 3",)


@pytest.mark.parametrize("options", [ReadOptions(encoding="utf-8"), ReadOptions(delimiter=";")])
def test_flags_of_csv_are_refused(tmp_path: Path, options: ReadOptions) -> None:
    """They would do nothing."""
    with pytest.raises(TableError, match="no encoding"):
        ParquetTable(tmp_path / "a.parquet", options)


def test_damage_in_the_middle_is_a_fault_of_the_table(tmp_path: Path) -> None:
    """It has no row's number, since no row can be left out for it."""
    damaged = bytearray(GOOD)
    damaged[4:40] = b"\xff" * 36
    path = tmp_path / "a.parquet"
    path.write_bytes(damaged)
    *_, fault = parts_of(ParquetTable(path, ReadOptions()))

    assert isinstance(fault, TableFault)
    assert (fault.row, fault.code) == (None, "bad-parquet")


def test_a_file_replaced_while_it_is_read_is_a_fault(tmp_path: Path) -> None:
    """Its digest would be that of other rows."""
    path = tmp_path / "a.parquet"
    path.write_bytes(GOOD)
    table = ParquetTable(path, ReadOptions())
    batches = table.batches()
    next(batches)
    path.unlink()
    path.write_bytes(GOOD + b" ")

    assert [item.code for item in batches if isinstance(item, TableFault)] == ["file-changed"]


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    """A damaged file gives rows, faults or a TableError."""
    damaged = bytearray(GOOD)
    for place, byte in changes:
        damaged[place] = byte
    path = tmp_path_factory.mktemp("damaged") / "a.parquet"
    path.write_bytes(damaged)
    try:
        table = ParquetTable(path, ReadOptions())
    except TableError:
        return
    for item in table.batches():
        if not isinstance(item, TableFault):
            list(item.values(range(len(table.columns))))


WITHOUT_PYARROW = """
import sys
from pathlib import Path
sys.modules["pyarrow"] = None
from runner.tables.parquet_table import ParquetTable
from runner.tables.parquet_writer import mark_of
from runner.tables.table import ReadOptions, TableError
try:
    ParquetTable(Path(sys.argv[1]), ReadOptions())
except TableError as error:
    print(error.what, error.fix)
print(mark_of(Path(sys.executable)))
"""


def test_without_pyarrow_the_cure_is_its_extra(tmp_path: Path) -> None:
    """A file that is no Parquet has no mark, pyarrow or not."""
    path = tmp_path / "a.parquet"
    path.write_bytes(GOOD)
    command = [sys.executable, "-c", WITHOUT_PYARROW, str(path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert "Parquet needs pyarrow" in said
    assert 'pip install "runner[parquet]"' in said
    assert said.endswith("None\n")


def test_pyarrow_is_imported_only_for_parquet() -> None:
    """It takes 60 ms, which a job file does not need."""
    code = (
        "import sys, runner.tables.parquet_table, runner.tables.parquet_writer, runner.tables.jsonl_writer;"
        "sys.exit('pyarrow' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
