"""Recognises files that are no UTF-8 text by their first bytes: archives, compressions, data, wide text.

Sources: the public descriptions of the formats, and the magic numbers of file(1).
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Final, NamedTuple

from runner.rules.other_files.other_file import JOBS_FIX, OtherFile
from runner.rules.shell_words import shell_word

HEAD_BYTES: Final = 64 * 1024  # what is enough to recognise a file

PARQUET: Final = b"PAR1"
_WIDE_BYTES: Final = 4_096
_SHEET: Final = "save the sheet as CSV UTF-8 in the spreadsheet program"
_EXPORT: Final = "export the table as CSV from the program that made it"
_LABEL: Final = "runner label FILE labels the rows of a table"
_ROWS: Final = "write its rows as CSV, JSONL or Parquet; runner label labels the rows of a table"
_PICTURE: Final = "name images in the messages of a job, as parts of the type image_url"
_SQLITE: Final = "export one table: sqlite3 -header -csv FILE 'SELECT ...'"
_AGAIN: Final = "make the archive again"
_TWICE: Final = "unpack it: gzip -dc < FILE | gzip -dc > NEW"


def _packed(what: str, program: str) -> OtherFile:
    fix = f"unpack it: {program} -dc < FILE > NEW"
    return OtherFile(code="compressed-file", what=f"compressed with {what}", fix=fix)


def _archive(what: str, command: str) -> OtherFile:
    return OtherFile(code="archive", what=what, fix=f"unpack it, and give the file in it: {command}")


def _data(what: str, fix: str = JOBS_FIX, table_fix: str = _EXPORT) -> OtherFile:
    return OtherFile(code="binary-file", what=what, fix=fix, table_fix=table_fix)


def _sheet(what: str) -> OtherFile:
    return _data(what, f"{_SHEET}; runner label labels the rows of a table", _SHEET)


def _wide(name: str) -> OtherFile:
    code = "utf32" if name.startswith("UTF-32") else "utf16"
    fix = f"save it as UTF-8: iconv -f {name} -t UTF-8 < FILE > NEW"
    return OtherFile(code=code, what=f"{name} text, not UTF-8", fix=fix)


UNKNOWN: Final = _data("binary, not text")


class _Magic(NamedTuple):
    """The bytes that a kind of file has at a place."""

    begins: bytes
    kind: OtherFile
    at: int = 0


# UTF-32 stands before UTF-16, whose mark it begins with.
_MAGIC: Final = (
    _Magic(b"PK\x05\x06", _data("an empty ZIP archive", _AGAIN, _AGAIN)),
    _Magic(b"7z\xbc\xaf\x27\x1c", _archive("a 7-Zip archive", "7z x FILE")),
    _Magic(b"Rar!\x1a\x07", _archive("a RAR archive", "unrar x FILE")),
    _Magic(b"ustar", _archive("a tar archive", "tar -xkf FILE"), 257),
    _Magic(b"\x1f\x8b", OtherFile(code="compressed-file", what="compressed with gzip twice", fix=_TWICE)),
    _Magic(b"\x1f\x9d", _packed("compress", "gzip")),
    _Magic(b"\xfd7zXZ\x00", _packed("xz", "xz")),
    _Magic(b"\x5d\x00\x00\x80\x00", _packed("LZMA", "xz")),
    _Magic(b"LZIP\x01", _packed("lzip", "lzip")),
    _Magic(b"\x28\xb5\x2f\xfd", _packed("Zstandard", "zstd")),
    _Magic(b"\x04\x22\x4d\x18", _packed("LZ4", "lz4")),
    _Magic(b"\x02\x21\x4c\x18", _packed("LZ4", "lz4")),
    _Magic(PARQUET, _data("Parquet", _LABEL)),
    _Magic(b"ARROW1\x00", _data("an Arrow (Feather) file", _ROWS, "save it as Parquet")),
    _Magic(b"ORC", _data("ORC", _ROWS, "save it as Parquet")),
    _Magic(b"Obj\x01", _data("Avro", _ROWS, "save it as Parquet")),
    _Magic(b"SQLite format 3\x00", _data("an SQLite database", f"{_SQLITE} > table.csv", _SQLITE)),
    _Magic(b"\x89HDF\r\n\x1a\n", _data("HDF5", _ROWS)),
    _Magic(b"\x93NUMPY", _data("a NumPy array", _ROWS)),
    _Magic(b"%PDF-", _data("a PDF")),
    _Magic(b"{\\rtf", _data("a document in RTF")),
    _Magic(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _sheet("an old Excel workbook (.xls), or another of Office")),
    _Magic(b"\x89PNG\r\n\x1a\n", _data("a PNG image", _PICTURE)),
    _Magic(b"\xff\xd8\xff", _data("a JPEG image", _PICTURE)),
    _Magic(b"GIF8", _data("a GIF image", _PICTURE)),
    _Magic(b"WEBP", _data("a WebP image", _PICTURE), 8),
    _Magic(b"II*\x00", _data("a TIFF image", _PICTURE)),
    _Magic(b"MM\x00*", _data("a TIFF image", _PICTURE)),
    _Magic(b"ftyp", _data("an image or a video (HEIC, AVIF, MP4)", _PICTURE), 4),
    _Magic(b"\x7fELF", _data("a program")),
    _Magic(
        b"\x00\x05\x16\x07", _data("what macOS keeps beside a file", "give the file without ._ before it")
    ),
    _Magic(b"\x00\x00\x00\x01Bud1", _data("a .DS_Store of macOS")),
    _Magic(b"L\x00\x00\x00\x01\x14\x02\x00", _data("a shortcut of Windows", "give the file it leads to")),
    _Magic(b"\xff\xfe\x00\x00", _wide("UTF-32")),
    _Magic(b"\x00\x00\xfe\xff", _wide("UTF-32")),
    _Magic(b"\xff\xfe", _wide("UTF-16")),
    _Magic(b"\xfe\xff", _wide("UTF-16")),
)
_PATTERNS: Final = (
    (re.compile(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)"), _packed("bzip2", "bzip2")),
    (re.compile(rb"\x80[\x02-\x05][\x95\]}(\x8cXKc]"), _data("a Python pickle", _ROWS)),
)
_ZIP: Final = b"PK\x03\x04"
_OFFICE_PARTS: Final = (b"[Content_Types].xml", b"_rels/", b"docProps/")
_MEMBER: Final = re.compile(rb"PK\x03\x04.{26}(?!__MACOSX/)", re.DOTALL)  # macOS adds some of its own
_TEXT_MEMBER: Final = re.compile(r"(?!-|__MACOSX/)[\w. /+=@-]+\.(?:jsonl?|ndjson|csv|tsv|txt)", re.IGNORECASE)


_WIDE_ASCII: Final = (  # the first two characters
    ("UTF-32LE", re.compile(rb"(?:[\t\n\r -~]\0\0\0){2}")),
    ("UTF-32BE", re.compile(rb"(?:\0\0\0[\t\n\r -~]){2}")),
    ("UTF-16LE", re.compile(rb"(?:[\t\n\r -~]\0){2}")),
    ("UTF-16BE", re.compile(rb"(?:\0[\t\n\r -~]){2}")),
)


def binary_file(head: bytes) -> OtherFile | None:
    """Return what a file is that begins with `head`; None for text in UTF-8, and for what is unknown."""
    if head.startswith(_ZIP):
        return _in_zip(head)
    found = (magic.kind for magic in _MAGIC if head.startswith(magic.begins, magic.at))
    matched = (kind for pattern, kind in _PATTERNS if pattern.match(head))
    if kind := next(chain(found, matched), None):
        return kind
    wide = _wide_text(head[:_WIDE_BYTES])
    return _wide(wide) if wide else None


def _in_zip(head: bytes) -> OtherFile:
    """Return what a ZIP archive is, by the names and the type of its first members."""
    name_end = 30 + int.from_bytes(head[26:28], "little")
    name = head[30:name_end]
    if b"xl/" in head:
        return _sheet("an Excel workbook (.xlsx)")
    if b"opendocument.spreadsheet" in head:
        return _sheet("an OpenDocument spreadsheet (.ods)")
    if name.startswith(_OFFICE_PARTS):  # some name the parts that tell them apart later on
        is_word = b"word/" in head
        return _data("a Word document") if is_word else _sheet("an Excel workbook or another Office document")
    member = name.decode("utf-8", "replace")
    if _TEXT_MEMBER.fullmatch(member) and len(_MEMBER.findall(head)) == 1:
        fix = f"unpack it: unzip -p FILE {shell_word(member)} > NEW"
        return OtherFile(code="archive", what="a ZIP archive", fix=fix)
    return _archive("a ZIP archive", "unzip FILE")


def _wide_text(head: bytes) -> str:
    """Return the name of the encoding of text without a mark: ASCII characters in it have bytes of 0."""
    for name, pattern in _WIDE_ASCII:
        if pattern.match(head):
            return name
    half = len(head) // 2
    if half < 2:
        return ""
    for name, zero, others in (("UTF-16LE", head[1::2], head[::2]), ("UTF-16BE", head[::2], head[1::2])):
        if zero.count(0) > 0.7 * half and others.count(0) < 0.1 * half:
            return name
    return ""
