"""Knows by its first bytes what a file is; what is no table of ours is refused by name, with the cure."""

from __future__ import annotations

from typing import Final

from runner.tables.table import Format, TableError

_PARQUET: Final = b"PAR1"
_WORKBOOK_FIX: Final = "save the sheet as CSV UTF-8 in the spreadsheet program, and give that file"
_ZIP_FIX: Final = (
    "if it is an Excel workbook, save the sheet as CSV UTF-8 in the spreadsheet program; else unpack it"
)
_UNPACK_FIX: Final = "unpack it first (only gzip is read as it is)"
_UTF8_FIX: Final = "save it as UTF-8: iconv -f {0} -t UTF-8 TABLE > NEW"
_ZIP: Final = b"PK\x03\x04"

# First bytes, what such a file is, and the cure. UTF-32 stands before UTF-16, whose mark it begins with.
_REFUSED: Final = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls)", _WORKBOOK_FIX),
    (_ZIP, "a ZIP archive", _UNPACK_FIX),
    (b"PK\x05\x06", "an empty ZIP archive", _UNPACK_FIX),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK_FIX),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK_FIX),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard", "unpack it first: zstd -d FILE"),
    (b"BZh", "compressed with bzip2", "unpack it first: bunzip2 FILE"),
    (b"\xfd7zXZ\x00", "compressed with xz", "unpack it first: unxz FILE"),
    (b"\x1f\x8b", "compressed with gzip twice", "unpack it once: gunzip FILE"),
    (b"%PDF-", "a PDF", "export the table as CSV from the program that made it"),
    (b"ARROW1\x00", "an Arrow (Feather) file", "save it as Parquet"),
    (
        b"SQLite format 3\x00",
        "an SQLite database",
        "export one table: sqlite3 -header -csv FILE 'SELECT ...'",
    ),
    (b"\xff\xfe\x00\x00", "UTF-32 text", _UTF8_FIX.format("UTF-32")),
    (b"\x00\x00\xfe\xff", "UTF-32 text", _UTF8_FIX.format("UTF-32")),
    (b"\xff\xfe", "UTF-16 text", _UTF8_FIX.format("UTF-16")),
    (b"\xfe\xff", "UTF-16 text", _UTF8_FIX.format("UTF-16")),
)
_TAR: Final = slice(257, 262)
_WIDE_BYTES: Final = 4_096


def refuse_other_files(head: bytes, name: str) -> None:
    """Raise TableError where a file that begins with `head` is of a kind that is not read."""
    for magic, what, fix in _REFUSED:
        if head.startswith(magic):
            if magic == _ZIP:
                what, fix = _in_zip(head)  # noqa: PLW2901 - it is named more exactly
            raise _refused(name, what, fix)
    if head[_TAR] == b"ustar":
        raise _refused(name, "a tar archive", _UNPACK_FIX)
    if wide := _wide_text(head[:_WIDE_BYTES]):
        raise _refused(name, f"{wide} text", _UTF8_FIX.format(wide))


def format_by_content(head: bytes) -> Format:
    """Return the format of a file that begins with `head`. Raise TableError where it is a JSON array."""
    if head.startswith(_PARQUET):
        return Format.PARQUET
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"[{", b"[\n", b"[\r\n", b"[ ")):
        raise TableError(
            "the table is one JSON array", fix="write one object a line: jq -c '.[]' TABLE > NEW.jsonl"
        )
    return Format.JSONL if text.startswith(b"{") else Format.CSV


def is_parquet(head: bytes) -> bool:
    """Return whether a file begins as Parquet does."""
    return head.startswith(_PARQUET)


def _in_zip(head: bytes) -> tuple[str, str]:
    if b"xl/" in head:
        return "an Excel workbook (.xlsx)", _WORKBOOK_FIX
    if b"opendocument.spreadsheet" in head:
        return "an OpenDocument spreadsheet (.ods)", _WORKBOOK_FIX
    return "a ZIP archive or an Excel workbook", _ZIP_FIX  # as the parts of some are named later on


def _wide_text(head: bytes) -> str:
    """Return the name of the encoding of text without a mark in which most ASCII characters take a NUL."""
    half = len(head) // 2
    if half < 2:
        return ""
    for name, zeros, others in (("UTF-16LE", head[1::2], head[::2]), ("UTF-16BE", head[::2], head[1::2])):
        if zeros.count(0) > 0.7 * half and others.count(0) < 0.1 * half:
            return name
    return ""


def _refused(name: str, what: str, fix: str) -> TableError:
    return TableError(f"{name} is {what}, which cannot be read as a table", fix=fix)
