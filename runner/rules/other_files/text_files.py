"""Recognises text that is no JSON lines: tables, web pages, pointers, settings, prose."""

from __future__ import annotations

import csv
import re
from typing import Final

from runner.rules.other_files.other_file import JOBS_FIX, OtherFile

_LINES: Final = 20  # of the beginning
_CSV_DELIMITERS: Final = ",\t;|"
_JOB_COLUMNS: Final = frozenset({"prompt", "messages"})
_CSV_TO_JOBS: Final = (
    "write its rows as jobs: python3 -c 'import csv, json, sys; "
    '[print(json.dumps(row)) for row in csv.DictReader(open(sys.argv[1], newline=""))]\' FILE > NEW'
)
_LABEL: Final = "its name has to end with .csv: cp -n FILE table.csv; runner label labels the rows of a table"
_RECIPE: Final = "if it is a recipe, its name has to end with .toml; a job file has one JSON object a line"
_UNFENCE: Final = "leave the fences out: sed '/^```/d' FILE > NEW"
_PROMPTS: Final = (
    "if each line is a prompt: "
    """jq -cR 'select(test("\\\\S")) | {prompt: rtrimstr("\\r")}' FILE > NEW"""
)
_ENCODED_TWICE: Final = "decode them once more: jq -c fromjson FILE > NEW"
_CUT_BEGINNINGS: Final = "leave out what stands before: sed 's/^[^{]*//' FILE > NEW"
_STRINGS: Final = "if each is a prompt: jq -c '{prompt: .}' FILE > NEW"
_LFS: Final = "version https://git-lfs.github.com/spec/"

_MARKUP: Final = re.compile(r"<(?:!doctype|!--|\?xml|\w+[\s/>])", re.IGNORECASE)
_PAGE: Final = re.compile(r"<(?:!doctype html|html|head|\?xml)\b", re.IGNORECASE)
_TITLE: Final = re.compile(r"<title[^>]*>\s*([^<]{1,60})", re.IGNORECASE)
_HEADING: Final = re.compile(r"#{1,6} \S|\|.*\|\s*$")
_EVENT: Final = re.compile(r"data: ?[{\[]|event: ")
_ARMOUR: Final = re.compile(r"-----BEGIN [A-Z0-9 ]+-----")
_TOML: Final = re.compile(r"\[\[?[A-Za-z][\w.-]*\]\]?\s*$|[\w.-]+ *= *\S")
_JSON_LINE: Final = re.compile(rf"(?!{_TOML.pattern})\s*[{{\[]")
_TEXT_OF_OBJECT: Final = re.compile(r'"\s*\{\s*\\"')
_OBJECT_BEHIND_WORDS: Final = re.compile(r'[^"{}]+\{\s*"[^"]+"\s*:.*\}\s*$')
_YAML: Final = re.compile(r"---\s*$|(?:- )?[\w-]+:(?: \S.*)?$|- |\s")

_POINTER: Final = OtherFile(
    code="lfs-pointer",
    what="a pointer of Git LFS, not the content",
    fix="fetch what it points to: git lfs pull",
)


def _text(what: str, fix: str = JOBS_FIX) -> OtherFile:
    return OtherFile(code="text-file", what=what, fix=fix)


def text_file(text: str) -> OtherFile | None:
    """Return what a file is that begins with `text`; None where one of its first lines may be JSON."""
    text = text.lstrip("\ufeff \t\r\n")
    if found := page_or_pointer(text):
        return found
    if text.startswith("```"):
        return _text("Markdown, with fences around the lines", _UNFENCE)
    lines = [line for line in text.splitlines()[:_LINES] if line.strip()]
    if not lines or any(map(_JSON_LINE.match, lines)):
        return None
    return _markup(text) if _MARKUP.match(text) else _by_lines(lines)


def _by_lines(lines: list[str]) -> OtherFile | None:
    return _of_json(lines) or _table(lines) or _settings(lines) or _prose(lines)


def page_or_pointer(text: str) -> OtherFile | None:
    """Return what a text is that is no table either: a web page, XML, or a pointer of Git LFS."""
    text = text.lstrip("\ufeff \t\r\n")
    if text.startswith(_LFS):
        return _POINTER
    return _markup(text) if _PAGE.match(text) else None


def _markup(text: str) -> OtherFile:
    """Return XML, or a web page with its title: it may be a login page in the place of a download."""
    if text[:5].lower() == "<?xml":
        return _text("XML")
    title = _TITLE.search(text)
    named = f' ("{" ".join(title[1].split())}")' if title else ""
    return _text(f"a web page{named}", "download the file again; it may need a login")


def _of_json(lines: list[str]) -> OtherFile | None:
    """Return objects that were encoded a second time, as texts, or that stand behind other words."""
    whole = lines[:-1] or lines  # the last may be cut
    if all(map(_TEXT_OF_OBJECT.match, whole)):
        return _text("JSON that was encoded twice: each line is a text with an object in it", _ENCODED_TWICE)
    if all(map(_OBJECT_BEHIND_WORDS.match, whole)) and not _EVENT.match(lines[0]):
        return _text("JSON behind other words, as a log has it", _CUT_BEGINNINGS)
    return None


def _table(lines: list[str]) -> OtherFile | None:
    """Return a table whose rows all have the same number of cells, two at least."""
    whole = lines[:-1] if len(lines) == _LINES else lines  # a record may go on over the next line
    for delimiter in _CSV_DELIMITERS:
        rows = _rows(whole, delimiter)
        widths = {len(row) for row in rows}
        if len(rows) > 1 and len(widths) == 1 and widths != {1}:
            is_of_jobs = delimiter == "," and not _JOB_COLUMNS.isdisjoint(rows[0])
            what = "TSV, a table" if delimiter == "\t" else "CSV, a table"
            fix = _CSV_TO_JOBS if is_of_jobs else _LABEL
            return OtherFile(code="text-file", what=what, fix=fix, table_fix=_LABEL)
    return None


def _rows(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return []


def _settings(lines: list[str]) -> OtherFile | None:
    rows = [line for line in lines if not line.startswith("#")]
    if rows and _TOML.match(rows[0]):
        return _text("TOML", _RECIPE)
    if rows and not _EVENT.match(rows[0]) and all(map(_YAML.match, rows)):
        return _text("YAML")
    return None


def _prose(lines: list[str]) -> OtherFile:
    if _EVENT.match(lines[0]):
        return _text("a stream of answers, not jobs", "give the file with the jobs themselves")
    if _ARMOUR.match(lines[0]):
        return _text("encrypted or signed", "decrypt it, and give the job file in it")
    if _HEADING.match(lines[0]):
        return _text("Markdown")
    if lines[0].startswith('"') and lines[0].rstrip().endswith('"'):
        return _text("JSON texts, not objects", _STRINGS)
    return _text("plain text, not JSON", _PROMPTS)
