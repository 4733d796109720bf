"""Recognises by its beginning a text file that holds no jobs: one diagnostic for it, not one a line."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import Final

from runner.rules.json_text.json_prefix import read_prefix
from runner.rules.json_text.strict_json import parse_object
from runner.rules.other_files.binary_files import UNKNOWN
from runner.rules.other_files.json_document import json_document
from runner.rules.other_files.other_file import OtherFile
from runner.rules.other_files.text_files import text_file

_CONTROLS: Final = bytes({*range(32), 127} - {9, 10, 12, 13, 27})
_TEXT_SHARE: Final = 0.98
_CR: Final = OtherFile(
    code="cr-line-ends",
    what="written with carriage returns as its line ends, as of an old Mac",
    fix="write them as line feeds: tr '\\r' '\\n' < FILE > NEW",
)
_COMMAS: Final = OtherFile(
    code="json-document",
    what="the inside of a JSON array: each line ends with a comma",
    fix="leave the commas out: sed 's/,[[:space:]]*$//' FILE > NEW",
)


def not_jobs(first: bytes, head: bytes) -> OtherFile | None:
    """Return what a file is whose first line that is not blank was refused; None if it may hold jobs.

    `head` is the beginning of the file, of any length; `first` may be cut.
    """
    begin = first.lstrip()[:1]
    if begin in (b"{", b"["):
        return _of_lines(first) or _of_document(head)
    if b"\0" in first:
        return None if first.startswith(b"\0") else UNKNOWN
    try:
        text = head.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # else the last character is cut
            return UNKNOWN if _has_controls(head) else None
        text = head[: error.start].decode()
    return None if "\0" in text else text_file(text)


def _has_controls(head: bytes) -> bool:
    """Return whether a beginning has control characters that no text has: it is data of some kind."""
    return len(head.translate(None, _CONTROLS)) < _TEXT_SHARE * len(head)


def _of_lines(first: bytes) -> OtherFile | None:
    """Return what the first line says of the way in which all of them are written."""
    parts = first.replace(b"\r", b"\n").split(b"\n")
    if len(parts) > 1 and parts[1].lstrip()[:1] == b"{" and isinstance(parse_object(parts[0]), dict):
        return _CR
    stripped = first.rstrip()
    if stripped.endswith(b"},") and isinstance(parse_object(stripped[:-1]), dict):
        return _COMMAS
    return None


def _of_document(head: bytes) -> OtherFile | None:
    text = head.removeprefix(BOM_UTF8).decode("utf-8", "ignore").lstrip()
    found = read_prefix(text)
    if found.is_broken or b"\0" in head:
        return None
    return json_document(found.value, has_lines="\n" in text[: found.end].rstrip())
