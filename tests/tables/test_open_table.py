"""A table is opened by its format; what is no table is refused by name, with the cure."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from csv_files import Bytes, csv_table, rows_of

from runner.rules.errors import UsageError
from runner.tables.csv_table import CsvTable
from runner.tables.make_writer import make_writer
from runner.tables.open_table import format_by_ending, open_table
from runner.tables.table import Format, ReadOptions, TableError

if TYPE_CHECKING:
    from pathlib import Path


def zipped(name: str) -> bytes:
    """Return a ZIP archive with a file of this name."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("[Content_Types].xml", "<xml/>")
        archive.writestr(name, "<xml/>")
    return content.getvalue()


def tarred() -> bytes:
    """Return a tar archive."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("table.csv"))
    return content.getvalue()


SPREADSHEET = "CSV UTF-8"


@pytest.mark.parametrize(
    ("content", "named", "cure"),
    [
        (zipped("xl/workbook.xml"), "an Excel workbook (.xlsx)", SPREADSHEET),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "an old Excel workbook (.xls)", SPREADSHEET),
        (
            b"PK\x03\x04....mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
            "an OpenDocument spreadsheet (.ods)",
            SPREADSHEET,
        ),
        (zipped("later.xml"), "an Excel workbook or another Office document", SPREADSHEET),
        (b"PK\x03\x04" + bytes(22) + b"\x05\0\0\0a.csv", "a ZIP archive", "unzip -p "),
        (tarred(), "a tar archive", "unpack"),
        (gzip.compress(tarred(), mtime=0), "a tar archive", "unpack"),
        (gzip.compress(gzip.compress(b"a,b\n", mtime=0), mtime=0), "gzip twice", "gzip -dc < "),
        (bz2.compress(b"a,b\n"), "bzip2", "bzip2 -dc < "),
        (lzma.compress(b"a,b\n"), "xz", "xz -dc < "),
        (b"<!DOCTYPE html>\n<title> Sign\n in </title>", 'a web page ("Sign in")', "download"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "a pointer of Git LFS",
            "git lfs pull",
        ),
        (b"%PDF-1.7\n", "a PDF", "export"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16 text", "iconv -f UTF-16 "),
        ("a,b\n1,2\n".encode("utf-16-le"), "UTF-16LE text", "iconv -f UTF-16LE "),
        ("a,b\n1,2\n".encode("utf-16-be"), "UTF-16BE text", "iconv -f UTF-16BE "),
        ("a,b\n1,2\n".encode("utf-32"), "UTF-32 text", "iconv -f UTF-32 "),
        (b"", "is empty", "header"),
        (gzip.compress(b"", mtime=0), "is empty", "header"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:12], "cut short", "gzip -t"),
        (gzip.compress(b"PAR1....", mtime=0), "Parquet inside gzip", "gunzip"),
    ],
)
@pytest.mark.parametrize("options", [ReadOptions(), ReadOptions(encoding="utf-8")], ids=["found", "given"])
def test_what_is_no_table_is_refused_by_name(
    tmp_path: Path, content: bytes, named: str, cure: str, options: ReadOptions
) -> None:
    """Whatever its ending says."""
    path = tmp_path / "reviews.csv"
    path.write_bytes(content)

    with pytest.raises(TableError) as caught:
        open_table(path, options)
    assert named in caught.value.what
    assert "reviews.csv" in caught.value.what
    assert cure in caught.value.fix


@pytest.mark.parametrize(
    ("name", "content", "expected", "columns"),
    [
        ("t.csv", b"a,b\n", Format.CSV, ("a", "b")),
        ("t.CSV.GZ", gzip.compress(b"a,b\n", mtime=0), Format.CSV, ("a", "b")),
        ("t.csv", gzip.compress(b"a,b\n", mtime=0), Format.CSV, ("a", "b")),
        ("t.csv.gz", b"a,b\n", Format.CSV, ("a", "b")),
        ("t.tsv", b"a,b\tc\n", Format.TSV, ("a,b", "c")),
        ("t.tab", b"a,b\n", Format.TSV, ("a,b",)),
        ("t.txt", b"a;b\n", Format.CSV, ("a", "b")),
        ("-", b"a\tb\n", Format.CSV, ("a", "b")),
    ],
)
def test_text_tables_are_opened(
    tmp_path: Path, name: str, content: bytes, expected: Format, columns: tuple[str, ...]
) -> None:
    """By the ending; gzip by the first bytes."""
    path = tmp_path / name
    path.write_bytes(content)
    table = open_table(path, ReadOptions())

    assert isinstance(table, CsvTable)
    assert (table.format, table.columns) == (expected, columns)
    assert rows_of(table) == ([], [])


def test_the_format_given_rules(tmp_path: Path) -> None:
    """Over the ending."""
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\tc\n")

    assert open_table(path, ReadOptions(format=Format.TSV)).columns == ("a,b", "c")


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_path_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    """No traceback."""
    with pytest.raises(TableError, match="cannot be read: "):
        open_table(tmp_path / name, ReadOptions())


def test_a_json_array_is_refused(tmp_path: Path) -> None:
    """Where the ending does not say what it is."""
    path = tmp_path / "t.json"
    path.write_bytes(b'[{"a": 1}]')

    with pytest.raises(TableError, match="JSON array"):
        open_table(path, ReadOptions())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jsonl", Format.JSONL),
        ("a.NDJSON.gz", Format.JSONL),
        ("a.parquet", Format.PARQUET),
        ("a.csv.bak", None),
        ("csv", None),
    ],
)
def test_formats_by_ending(tmp_path: Path, name: str, expected: Format | None) -> None:
    """Those of the names."""
    assert format_by_ending(tmp_path / name) is expected


@pytest.mark.parametrize(
    "encoding", ["latin-2000", "utf-16", "utf-7", "cp037", "rot13", "hz", "iso2022_jp", "a\0"]
)
def test_an_encoding_that_cannot_be_used_is_refused(tmp_path: Path, encoding: str) -> None:
    """Unknown ones, and those in which bytes of ASCII mean something else."""
    with pytest.raises(UsageError, match="encoding") as caught:
        csv_table(tmp_path, b"a,b\n", encoding=encoding)
    assert caught.value.fix


@pytest.mark.parametrize("delimiter", ["::", '"', "\n", "space"])
def test_a_delimiter_that_cannot_be_one_is_refused(tmp_path: Path, delimiter: str) -> None:
    """One character, which is neither a quote nor a line end."""
    with pytest.raises(UsageError, match="delimiter"):
        csv_table(tmp_path, b"a,b\n", delimiter=delimiter)


def test_a_writer_for_spreadsheets_writes_csv_only(tmp_path: Path) -> None:
    """The flag would do nothing elsewhere."""
    table = csv_table(tmp_path, b"a,b\n")
    writer = make_writer(Format.CSV, Bytes(), table, [], spreadsheet=True)
    writer.finish()

    with pytest.raises(UsageError, match="--spreadsheet"):
        make_writer(Format.JSONL, Bytes(), table, [], spreadsheet=True)
