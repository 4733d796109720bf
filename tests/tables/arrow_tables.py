"""Arrow tables for tests: of every type that Parquet has, and random ones."""

from __future__ import annotations

from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from runner.tables.parquet_table import ParquetTable
from runner.tables.table import ReadOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pq: Final[Any] = import_module("pyarrow.parquet")
pa: Final[Any] = import_module("pyarrow")

NANOSECONDS: Final = 1_000_000_000_123_456_789
STRUCT: Final = pa.struct([("at", pa.timestamp("ns")), ("counts", pa.list_(pa.int8()))])
OF_EACH_TYPE: Final[Mapping[str, Any]] = {
    "lists": pa.array([["a"], None], pa.list_(pa.field("item", pa.string()))),
    "large lists": pa.array([["a"], None], pa.large_list(pa.string())),
    "list views": pa.array([["a"], None], pa.list_view(pa.string())),
    "pairs": pa.array([[1, 2], None], pa.list_(pa.int8(), 2)),
    "text views": pa.array(["a", None], pa.string_view()),
    "large texts": pa.array(["a", None], pa.large_string()),
    "bytes": pa.array([b"\xff", None]),
    "two bytes": pa.array([b"ab", None], pa.binary(2)),
    "dictionary": pa.array(["a", None]).dictionary_encode(),
    "ordered": pa.DictionaryArray.from_arrays(pa.array([0, None], pa.int8()), pa.array(["x"]), ordered=True),
    "ns": pa.array([NANOSECONDS, None], pa.timestamp("ns")),
    "us with zone": pa.array([NANOSECONDS // 1_000, None], pa.timestamp("us", "+02:00")),
    "after 9999": pa.array([10_000_000, None], pa.int32()).cast(pa.date32()),
    "far away": pa.array([10**18, None], pa.timestamp("ms")),
    "time": pa.array([5, None], pa.time32("ms")),
    "ns of the day": pa.array([1_000_000_005, None], pa.time64("ns")),
    "duration": pa.array([5_000, None], pa.duration("ns")),
    "decimal": pa.array([Decimal("1.10"), None], pa.decimal128(10, 2)),
    "struct": pa.array([{"at": NANOSECONDS, "counts": [1]}, None], STRUCT),
    "map": pa.array([[("k", NANOSECONDS)], None], pa.map_(pa.string(), pa.timestamp("ns"))),
    "nothing": pa.nulls(2),
    "half": pa.array([1.5, None], pa.float16()),
    "unsigned": pa.array([2**64 - 1, None], pa.uint64()),
    "uuid": pa.array([b"0" * 16, None], pa.binary(16)).cast(pa.uuid()),
}


def saved(path: Path, table: Any, **options: Any) -> ParquetTable:
    """Write an Arrow table as Parquet; return the file as a table of ours."""
    pq.write_table(table, path, **options)
    return ParquetTable(path, ReadOptions())


TEXTS: Final = st.text(max_size=5)
TYPES: Final[list[tuple[Any, st.SearchStrategy[Any]]]] = [
    (pa.string(), TEXTS),
    (pa.large_string(), TEXTS),
    (pa.int8(), st.integers(-128, 127)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float64(), st.floats(allow_nan=False)),
    (pa.bool_(), st.booleans()),
    (pa.binary(), st.binary(max_size=5)),
    (pa.timestamp("ns", "UTC"), st.integers(-(2**63) + 1, 2**63 - 1)),
    (pa.date32(), st.dates()),
    (pa.list_(pa.field("item", pa.int64())), st.lists(st.none() | st.integers(-5, 5), max_size=2)),
    (pa.dictionary(pa.int16(), pa.string()), TEXTS),
    (pa.struct([("x", pa.string())]), st.fixed_dictionaries({"x": st.none() | TEXTS})),
]


@st.composite
def arrow_tables(draw: st.DrawFn) -> Any:
    """Return a table of up to 20 rows, with metadata of its own and of its columns."""
    row_count = draw(st.integers(0, 20))
    fields, columns = [], []
    for name in draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True)):
        kind, values = draw(st.sampled_from(TYPES))
        cells = draw(st.lists(st.none() | values, min_size=row_count, max_size=row_count))
        metadata = draw(st.none() | st.just({"unit": "m"}))
        is_nullable = draw(st.booleans()) or None in cells
        fields.append(pa.field(name, kind, is_nullable, metadata))
        columns.append(pa.array(cells, kind))
    metadata = draw(st.none() | st.dictionaries(TEXTS.map(lambda key: f"k{key}"), TEXTS, max_size=2))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata))
