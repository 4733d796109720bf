"""JSONL read: rows, columns, and what is wrong where."""

from __future__ import annotations

import gzip
import hashlib
from typing import TYPE_CHECKING

import pytest
from written import parts_of, rows_of

from runner.rules.table_faults import TableFault
from runner.tables import jsonl_table
from runner.tables.jsonl_table import JsonlTable
from runner.tables.table import ReadOptions, TableError

if TYPE_CHECKING:
    from pathlib import Path


def opened(folder: Path, content: bytes, **options: str) -> JsonlTable:
    """Return the table of some bytes."""
    path = folder / "table.jsonl"
    path.write_bytes(content)
    return JsonlTable(path, ReadOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_rows_have_the_keys_of_all_lines(tmp_path: Path, pack: type[bytes]) -> None:
    """What a row lacks is None, as null is; blank lines are no rows."""
    content = pack(b'\xef\xbb\xbf{"a": 1, "b": null}\r\n\n{"c": [1.5, "x"], "a": "y"}')
    table = opened(tmp_path, content)

    assert table.columns == ("a", "b", "c")
    assert rows_of(table) == [(1, None, None), ("y", None, [1.5, "x"])]
    assert table.sha256 == hashlib.sha256(content).hexdigest()
    assert table.byte_count == len(content)


def test_some_columns_may_be_taken_in_any_order(tmp_path: Path) -> None:
    """None of them at all too."""
    (batch,) = opened(tmp_path, b'{"a": 1, "b": 2}\n{"b": 3}\n').batches()

    assert not isinstance(batch, TableFault)
    assert list(batch.values([1, 0])) == [(2, 1), (3, None)]
    assert list(batch.values([])) == [(), ()]


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**30, 10**400])
def test_long_integers_keep_their_digits(tmp_path: Path, number: int) -> None:
    """A prompt must not get 1e+30 for an id."""
    assert rows_of(opened(tmp_path, b'{"id": %d}' % number)) == [(number,)]


def test_batches_end_at_their_number_of_rows_and_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that long rows do not fill the memory."""
    monkeypatch.setattr(jsonl_table, "ROWS_PER_BATCH", 3)
    monkeypatch.setattr(jsonl_table, "BATCH_BYTES_MAX", 100)
    content = b"{}\n" * 4 + b'{"a": "%s"}\n' % (b"x" * 100) + b"{}\n" * 3

    assert parts_of(opened(tmp_path, content)) == [(1, 3), (4, 2), (6, 3)]


FAULTS = [
    (b'{"a": 1, "a": 2}', "duplicate-key"),
    (b'{"a": NaN}', "not-finite"),
    (b'{"a": "\\ud800"}', "lone-surrogate"),
    (b'{"a": "\xff"}', "not-utf8"),
    (b"[1]", "not-an-object"),
    (b'"text"', "not-an-object"),
    (b'{"a": ' + b"1" * 5_000 + b"}", "long-number"),
]


@pytest.mark.parametrize(("line", "code"), FAULTS)
def test_a_bad_row_is_named_and_the_others_read(tmp_path: Path, line: bytes, code: str) -> None:
    """Rows count lines that are not blank; a batch has only rows that follow each other."""
    table = opened(tmp_path, b'{"a": 0}\n\n' + line + b'\n{"a": 3}\n{"a": 4}\n' + line)
    before, first, between, last = parts_of(table)

    assert (before, between) == ((1, 1), (3, 2))
    assert isinstance(first, TableFault)
    assert isinstance(last, TableFault)
    assert (first.row, first.line, first.code) == (2, 3, code)
    assert (last.row, last.line, last.code) == (5, 6, code)
    assert "job" not in f"{first.reason} {first.fix}"


@pytest.mark.parametrize(
    ("line", "column"),
    [
        (b'{"a": 1, "b": {"c": ["\\ud83d"]}}', "b"),
        (b'{"a": 1, "b": [1e999]}', "b"),
        (b'{"a": 1, "b": 2, "a": 3}', "a"),
        (b'{"\\ud83d": 1}', None),
        (b'{"a": 1', None),
    ],
)
def test_a_bad_row_names_the_column_of_its_fault(tmp_path: Path, line: bytes, column: str | None) -> None:
    """Where it is a value; half of a character is no name that could be shown."""
    (fault,) = parts_of(opened(tmp_path, line + b"\n"))

    assert isinstance(fault, TableFault)
    assert (fault.row, fault.line, fault.column) == (1, 1, column)


def test_a_line_past_the_cap_is_a_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows after it keep their numbers."""
    monkeypatch.setattr("runner.tables.lines.LineReader.__init__.__kwdefaults__", {"line_bytes_max": 10})
    fault, rest = parts_of(opened(tmp_path, b'{"a": "too long"}\n{}\n'))

    assert isinstance(fault, TableFault)
    assert (fault.row, fault.line, fault.code) == (1, 1, "line-too-long")
    assert "job" not in fault.fix
    assert rest == (2, 1)


def test_a_cut_gzip_file_is_a_fault_of_the_table(tmp_path: Path) -> None:
    """It has no row's number, since no row can be left out for it."""
    zipped = gzip.compress(b"".join(b'{"a": "%d"}\n' % (number * 7919) for number in range(1_000)))
    *_, fault = parts_of(opened(tmp_path, zipped[:-50]))

    assert isinstance(fault, TableFault)
    assert (fault.row, fault.code) == (None, "bad-gzip")


NOT_JSONL = [
    (b"", "holds no row"),
    (b"\n \n", "holds no row"),
    (gzip.compress(b"", mtime=0), "holds no row"),
    (b'[\n  {"a": 1},\n  {"a": 2}\n]', "one JSON array"),
    (b'[{"a": 1}, {"a": 2}]', "one JSON array"),
    (b'{\n  "a": 1\n}\n', "over several lines"),
    ('{"a": 1}\n'.encode("utf-16"), "UTF-16"),
    (b"a,b\n1,2\n", "CSV, a table"),
    (b"<!DOCTYPE html><title>Sign in</title>", "a web page"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
    (b'{"a": 1}\r{"a": 2}\r', "carriage returns"),
]


ROWS_ALL_THE_SAME = [
    b'{"id": "1", "custom_id": "r", "response": {}, "error": null}',
    b'{"custom_id": "x", "params": {"messages": []}}',
    b'{"object": "chat.completion"}',
]


@pytest.mark.parametrize("line", ROWS_ALL_THE_SAME)
def test_what_is_no_job_may_be_a_row(tmp_path: Path, line: bytes) -> None:
    """Results and the lines of other services are tables like others."""
    assert len(rows_of(opened(tmp_path, line + b"\n"))) == 1


@pytest.mark.parametrize(("content", "words"), NOT_JSONL)
def test_a_file_that_is_no_jsonl_is_refused_with_a_cure(tmp_path: Path, content: bytes, words: str) -> None:
    """As a whole, and before any row is read."""
    with pytest.raises(TableError, match=words) as caught:
        opened(tmp_path, content)

    assert caught.value.fix
    assert caught.value.where


@pytest.mark.parametrize("options", [{"encoding": "latin-1"}, {"delimiter": ";"}])
def test_flags_of_csv_are_refused(tmp_path: Path, options: dict[str, str]) -> None:
    """They would do nothing."""
    with pytest.raises(TableError):
        opened(tmp_path, b"{}", **options)
    assert rows_of(opened(tmp_path, b"{}", encoding="UTF-8")) == [()]


def test_a_missing_file_is_an_ordinary_error(tmp_path: Path) -> None:
    """The caller makes a sentence of it, since it knows what the user typed."""
    with pytest.raises(FileNotFoundError):
        JsonlTable(tmp_path / "none.jsonl", ReadOptions())
