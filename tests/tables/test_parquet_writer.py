"""Parquet written: the input's columns as they were, then the added ones."""

from __future__ import annotations

import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from arrow_tables import OF_EACH_TYPE, arrow_tables, pa, pq, saved
from hypothesis import given
from hypothesis import strategies as st
from written import Collected, TextTable, written

from runner.tables import parquet_writer
from runner.tables.jsonl_table import JsonlTable
from runner.tables.parquet_table import ParquetTable
from runner.tables.parquet_writer import ParquetWriter, mark_of
from runner.tables.table import AddedColumn, CellKind, ReadOptions, TableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.tables.table import Sink, Table

ADDED = [AddedColumn(f"_{kind}", kind) for kind in CellKind]
TYPES = {
    "_text": pa.string(),
    "_integer": pa.int64(),
    "_number": pa.float64(),
    "_boolean": pa.bool_(),
    "_list": pa.list_(pa.string()),
    "_json": pa.string(),
}
VALUES: dict[CellKind, list[Any]] = {
    CellKind.TEXT: ["x", "a\ud800", ""],
    CellKind.INTEGER: [1, 3.0, -(2**63)],
    CellKind.NUMBER: [1, 0.1, 2**60 + 1],
    CellKind.BOOLEAN: [True, False],
    CellKind.LIST: [[], ["a"], ["b\udfff", "c"]],
    CellKind.JSON: [{"a": [1, None]}, "text", 2**70],
}
STORED: dict[CellKind, list[Any]] = {
    **VALUES,
    CellKind.TEXT: ["x", "a\N{REPLACEMENT CHARACTER}", ""],
    CellKind.NUMBER: [1.0, 0.1, float(2**60 + 1)],
    CellKind.LIST: [[], ["a"], ["b\N{REPLACEMENT CHARACTER}", "c"]],
    CellKind.JSON: ['{"a":[1,null]}', '"text"', str(2**70)],
}


def read(content: bytes) -> Any:
    """Return the Arrow table of a Parquet file."""
    return pq.read_table(io.BytesIO(content))


@given(arrow_tables(), st.data())
def test_a_parquet_table_keeps_columns_types_and_metadata(table: Any, data: st.DataObject) -> None:
    """Arrow-equal; the added columns follow; written twice the bytes are the same."""
    choices = [st.none() | st.sampled_from(VALUES[kind]) for kind in CellKind]
    size = {"min_size": table.num_rows, "max_size": table.num_rows}
    values = [data.draw(st.lists(choice, **size)) for choice in choices]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.parquet"
        saved(path, table, use_compliant_nested_type=data.draw(st.booleans()), row_group_size=7)
        before = pq.read_table(path)
        content = written(ParquetWriter, ParquetTable(path, ReadOptions()), ADDED, values)
        again = written(ParquetWriter, ParquetTable(path, ReadOptions()), ADDED, values)
    after = read(content)

    assert again == content
    assert after.select(before.column_names).equals(before, check_metadata=True)
    assert str(after.schema).startswith(str(before.schema).partition("\n--")[0])
    assert {name: after.schema.field(name).type for name in TYPES} == TYPES
    for column, kind, added in zip(TYPES, CellKind, values, strict=True):
        stored = [None if v is None else STORED[kind][VALUES[kind].index(v)] for v in added]

        assert after[column].to_pylist() == stored


@pytest.mark.parametrize("name", OF_EACH_TYPE)
@pytest.mark.parametrize("is_compliant", [True, False])
def test_each_type_comes_back(tmp_path: Path, name: str, is_compliant: bool) -> None:
    """With the names of its inner fields."""
    table = pa.table({name: OF_EACH_TYPE[name]})
    ours = saved(tmp_path / "a.parquet", table, use_compliant_nested_type=is_compliant)
    before, after = pq.read_table(tmp_path / "a.parquet"), read(written(ParquetWriter, ours))

    assert after.equals(before, check_metadata=True)
    assert str(after.schema) == str(before.schema)


def test_added_columns_may_be_null_also_without_rows(tmp_path: Path) -> None:
    """Types depend on the kinds, never on values."""
    table = saved(tmp_path / "a.parquet", pa.table({"a": pa.array([], pa.string())}))
    after = read(written(ParquetWriter, table, ADDED, [[] for _ in ADDED]))

    assert after.num_rows == 0
    assert {name: after.schema.field(name).type for name in TYPES} == TYPES
    assert all(after.schema.field(name).nullable for name in TYPES)


def test_cells_of_csv_are_strings() -> None:
    """Leading zeros stay, and an empty cell is an empty text."""
    table = TextTable(["id", "x"], [["007", ""], ["1.0", "a\ud800"]])
    after = read(written(ParquetWriter, table, ADDED[:1], [["p", None]]))

    assert after.schema.types == [pa.string()] * 3
    assert after.to_pylist() == [
        {"id": "007", "x": "", "_text": "p"},
        {"id": "1.0", "x": "a\N{REPLACEMENT CHARACTER}", "_text": None},
    ]


def test_columns_of_jsonl_have_the_type_that_holds_all_values(tmp_path: Path) -> None:
    """Also where the value that needs it comes in a later batch; else they are JSON text."""
    rows: list[dict[str, Any]] = [
        {"t": "x", "i": 1, "n": 1, "mixed": "5", "b": True, "l": ["a"], "o": {"k": 1}}
    ] * 3
    rows += [{"n": 0.5, "mixed": 5, "late": 2**70}]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    after = read(written(ParquetWriter, JsonlTable(path, ReadOptions())))
    absent = dict.fromkeys(after.column_names)

    assert after.to_pylist() == [
        absent | {"t": "x", "i": 1, "n": 1.0, "mixed": '"5"', "b": True, "l": ["a"], "o": '{"k":1}'}
    ] * 3 + [absent | {"n": 0.5, "mixed": "5", "late": str(2**70)}]


@pytest.mark.parametrize(
    ("kind", "value"),
    [(CellKind.INTEGER, 2**63), (CellKind.INTEGER, 3.5), (CellKind.TEXT, 5), (CellKind.NUMBER, "x")],
)
def test_a_value_that_does_not_fit_is_named(kind: CellKind, value: Any) -> None:
    """It is never cut or coerced."""
    with pytest.raises(TableError, match='column "label"') as caught:
        written(ParquetWriter, TextTable(["a"], [["x"]]), [AddedColumn("label", kind)], [[value]])

    assert "JSONL" in caught.value.fix


def test_row_groups_are_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of small ones would make each reader slow."""
    table = saved(tmp_path / "a.parquet", pa.table({"a": range(100_000)}), row_group_size=1_000)
    metadata = pq.read_metadata(io.BytesIO(written(ParquetWriter, table)))

    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [50_000] * 2

    monkeypatch.setattr(parquet_writer, "GROUP_BYTES", 100_000)
    metadata = pq.read_metadata(
        io.BytesIO(written(ParquetWriter, ParquetTable(tmp_path / "a.parquet", ReadOptions())))
    )

    assert metadata.row_group(0).num_rows == 15_000


def marked(mark: str | None) -> Any:
    """Return what makes a writer with a mark."""

    def make(sink: Sink, table: Table, added: Sequence[AddedColumn]) -> ParquetWriter:
        return ParquetWriter(sink, table, added, mark=mark)

    return make


def test_a_mark_is_known_again_and_never_inherited(tmp_path: Path) -> None:
    """A file made of a marked one has its own mark, or none."""
    first, second, third, other = (tmp_path / name for name in ("1", "2", "3", "4"))
    first.write_bytes(written(marked("run-1"), TextTable(["a"], [["x"]])))
    second.write_bytes(written(marked("run-2"), ParquetTable(first, ReadOptions())))
    third.write_bytes(written(marked(None), ParquetTable(second, ReadOptions())))
    other.write_bytes(b"PAR1 and nothing more")

    assert [mark_of(path) for path in (first, second, third, other)] == ["run-1", "run-2", None, None]
    with pytest.raises(FileNotFoundError):
        mark_of(tmp_path / "none")


def test_a_writer_that_is_dropped_writes_no_footer() -> None:
    """A table cut by an error must not look whole."""
    sink = Collected()
    writer = ParquetWriter(sink, TextTable(["a"], []), [])
    written_before = sink.content
    del writer

    assert sink.content == written_before
