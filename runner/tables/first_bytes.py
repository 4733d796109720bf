"""Knows by its first bytes what a file is; what is no table of ours is refused by name, with the cure."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import TYPE_CHECKING, Final

from runner.rules.other_files.binary_files import PARQUET, binary_file
from runner.rules.other_files.other_file import cure_for
from runner.rules.other_files.text_files import page_or_pointer
from runner.tables.table import Format, TableError

if TYPE_CHECKING:
    from pathlib import Path

_ENDINGS: Final = frozenset({".csv", ".tsv", ".jsonl", ".ndjson"})


def refuse_other_files(head: bytes, path: Path, *, is_gzip: bool) -> None:
    """Raise TableError where a file whose content begins with `head` is of a kind that is not read."""
    if is_parquet(head):
        return
    other = binary_file(head) or page_or_pointer(head.decode("utf-8", "replace"))
    if other is not None:
        what = f"{path.name} is {other.what}, which cannot be read as a table"
        raise TableError(what, fix=cure_for(other.fix_of_table, str(path), _ending(path), is_gzip=is_gzip))


def format_by_content(head: bytes, path: Path) -> Format:
    """Return the format of a file that begins with `head`. Raise TableError where it is a JSON array."""
    if is_parquet(head):
        return Format.PARQUET
    text = head.removeprefix(BOM_UTF8).lstrip()
    if text.startswith((b"[{", b"[\n", b"[\r\n", b"[ ")):
        fix = cure_for("write one object a line: jq -c '.[]' FILE > NEW", str(path))
        raise TableError("the table is one JSON array", fix=fix)
    return Format.JSONL if text.startswith(b"{") else Format.CSV


def is_parquet(head: bytes) -> bool:
    """Return whether a file begins as Parquet does."""
    return head.startswith(PARQUET)


def _ending(path: Path) -> str:
    """Return the ending of the table that a cure writes: that of the file, without those of compressions."""
    return next((end for end in reversed(path.suffixes) if end in _ENDINGS), ".csv")
