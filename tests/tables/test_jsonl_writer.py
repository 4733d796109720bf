"""JSONL written: the input's text as it was, and other tables as objects."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from test_json_text import JSON_VALUES, TEXTS
from written import TextTable, rows_of, written

from runner.tables.jsonl_table import JsonlTable
from runner.tables.jsonl_writer import JsonlWriter
from runner.tables.table import AddedColumn, CellKind, ReadOptions

ADDED = [AddedColumn("_label", CellKind.TEXT), AddedColumn("_more", CellKind.JSON)]
NAMES = TEXTS.filter(lambda name: name not in {"_label", "_more"})
ROWS = st.lists(st.dictionaries(NAMES, JSON_VALUES, max_size=3), min_size=1, max_size=3)
SPACES = st.text(" \t", max_size=2)


@given(ROWS, st.data())
def test_a_line_keeps_its_text_and_gets_the_added_keys(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    """Byte for byte up to its closing brace, whatever the spelling; written twice the same."""
    lines = [_spelled(row, data) for row in rows]
    values = [data.draw(st.lists(JSON_VALUES, min_size=len(rows), max_size=len(rows))) for _ in ADDED]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.jsonl"
        path.write_text("\r\n".join(lines) + "\n", encoding="utf-8", newline="")
        content = written(JsonlWriter, JsonlTable(path, ReadOptions()), ADDED, values)
        again = written(JsonlWriter, JsonlTable(path, ReadOptions()), ADDED, values)
    found = content.decode().split("\n")[:-1]

    assert again == content
    for line, row, after, *added in zip(lines, rows, found, *values, strict=True):
        assert after.startswith(line.rstrip()[:-1])
        assert json.loads(after) == row | dict(zip(("_label", "_more"), added, strict=True))


def _spelled(row: dict[str, Any], data: st.DataObject) -> str:
    """Return a row as some program might write it: spaces, escapes."""
    text = json.dumps(
        row, ensure_ascii=data.draw(st.booleans()), separators=data.draw(st.sampled_from(SPELLINGS))
    )
    inside = data.draw(SPACES)
    return f"{data.draw(SPACES)}{text[:-1]}{inside}}}{data.draw(SPACES)}"


SPELLINGS = [(",", ":"), (", ", ": "), (" , ", " :\t")]


def test_without_added_columns_the_lines_are_as_they_were(tmp_path: Path) -> None:
    """Only the line ends are of one sort."""
    path = tmp_path / "table.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a" : 1.10}\r\n\r\n { }\n{"a":"x"}')

    assert written(JsonlWriter, JsonlTable(path, ReadOptions())) == b'{"a" : 1.10}\n { }\n{"a":"x"}\n'


def test_an_empty_object_gets_no_comma(tmp_path: Path) -> None:
    """Its members are the added ones alone."""
    path = tmp_path / "table.jsonl"
    path.write_bytes(b"{ }\n")

    assert written(JsonlWriter, JsonlTable(path, ReadOptions()), ADDED, [["x"], [None]]) == (
        b'{ "_label":"x","_more":null}\n'
    )


def test_rows_of_texts_become_objects() -> None:
    """A cell of CSV stays text, also where it looks like a number."""
    table = TextTable(["id", 'te"xt'], [["007", "a\nb"], ["", "\ud800"]])
    content = written(JsonlWriter, table, ADDED, [["x", None], [{"n": 2**70}, [1]]])

    assert [json.loads(line) for line in content.splitlines()] == [
        {"id": "007", 'te"xt': "a\nb", "_label": "x", "_more": {"n": 2**70}},
        {"id": "", 'te"xt': "\N{REPLACEMENT CHARACTER}", "_label": None, "_more": [1]},
    ]


def test_what_was_written_can_be_read(tmp_path: Path) -> None:
    """Our own output is a table again."""
    path = tmp_path / "table.jsonl"
    path.write_bytes(written(JsonlWriter, TextTable(["a"], [["1"]]), ADDED, [["x"], [None]]))

    assert rows_of(JsonlTable(path, ReadOptions())) == [("1", "x", None)]
