"""Makes Python values of Arrow columns, and Arrow columns of Python values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.rules.json_text.answer_json import without_surrogates
from runner.tables.json_text import json_text
from runner.tables.pyarrow_import import import_pyarrow
from runner.tables.table import CellKind, TableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def python_values(column: Any) -> list[Any]:
    """Return the values of an Arrow array as Python values, None for null.

    Nanoseconds are cut to microseconds, with or without pandas. A value that Python's type cannot hold, such
    as a date after the year 9999, is text. A dictionary's values, structs (dict), lists, maps (a list of
    pairs), decimals and bytes are as pyarrow makes them.
    """
    pa = import_pyarrow()
    try:
        wanted = _in_microseconds(column.type)
        return list((column if wanted is column.type else column.cast(wanted, safe=False)).to_pylist())
    except (ValueError, OverflowError, pa.ArrowException):
        return [_value_or_text(column.slice(row, 1)) for row in range(len(column))]


def arrow_type(kind: CellKind) -> Any:
    """Return the Arrow type of a column of a kind; JSON is its text."""
    pa = import_pyarrow()
    types = {
        CellKind.INTEGER: pa.int64(),
        CellKind.NUMBER: pa.float64(),
        CellKind.BOOLEAN: pa.bool_(),
        CellKind.LIST: pa.list_(pa.field("element", pa.string())),
    }
    return types.get(kind, pa.string())


def arrow_column(name: str, kind: CellKind, values: Sequence[Any]) -> Any:
    """Return an Arrow array of values of a kind, None as null. Lone surrogates become U+FFFD.

    Raise TableError where an integer does not fit in 64 bits, or a value is of another kind.
    """
    pa = import_pyarrow()
    convert = _CONVERTED.get(kind)
    try:
        ready = values if convert is None else [None if value is None else convert(value) for value in values]
        return pa.array(ready, arrow_type(kind))
    except UnicodeEncodeError:
        return pa.array([_encodable(value) for value in values], arrow_type(kind))
    except (ValueError, TypeError, OverflowError) as error:
        what = f'a value does not fit in the {kind} column "{name}" of Parquet: {error}'
        raise TableError(what, fix="write JSONL or CSV instead, by the ending of the output file") from None


def _in_microseconds(kind: Any) -> Any:
    """Return an Arrow type with microseconds in place of nanoseconds; the same object without them."""
    pa = import_pyarrow()
    if getattr(kind, "unit", None) == "ns":
        if pa.types.is_timestamp(kind):
            return pa.timestamp("us", kind.tz)
        return pa.time64("us") if pa.types.is_time64(kind) else pa.duration("us")
    if pa.types.is_dictionary(kind):
        value = _in_microseconds(kind.value_type)
        return kind if value is kind.value_type else value
    return _nested_in_microseconds(kind)


def _nested_in_microseconds(kind: Any) -> Any:
    pa = import_pyarrow()
    if pa.types.is_struct(kind):
        inner, make = [kind.field(place) for place in range(kind.num_fields)], _struct
    elif pa.types.is_map(kind):
        inner, make = [kind.key_field, kind.item_field], pa.map_
    elif pa.types.is_list(kind):
        inner, make = [kind.value_field], pa.list_
    elif pa.types.is_large_list(kind):
        inner, make = [kind.value_field], pa.large_list
    else:
        return kind
    wanted = [_field_in_microseconds(field) for field in inner]
    return make(*wanted) if any(map(_differ, wanted, inner)) else kind


def _struct(*fields: Any) -> Any:
    return import_pyarrow().struct(fields)


def _field_in_microseconds(field: Any) -> Any:
    return field.with_type(_in_microseconds(field.type))


def _differ(one: Any, other: Any) -> bool:
    return bool(one.type != other.type)


def _value_or_text(single: Any) -> Any:
    """Return the value of an array of one; as text where Python has no such value."""
    pa = import_pyarrow()
    for attempt in (_microsecond_value, _value, _text):
        try:
            return attempt(single)
        except (ValueError, OverflowError, pa.ArrowException):
            continue
    return str(single)  # a nested value: as Arrow shows it


def _microsecond_value(single: Any) -> Any:
    return single.cast(_in_microseconds(single.type), safe=False).to_pylist()[0]


def _value(single: Any) -> Any:
    return single.to_pylist()[0]


def _text(single: Any) -> Any:
    return single.cast(import_pyarrow().string()).to_pylist()[0]


def _integer(value: Any) -> Any:
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(f"{value} is no integer")  # pyarrow would cut it
    return value


def _json(value: object) -> str:
    return json_text(value).decode()


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return without_surrogates(value)
    return None if value is None else [_encodable(item) for item in value]


_CONVERTED: dict[CellKind, Callable[[Any], Any]] = {
    CellKind.INTEGER: _integer,
    CellKind.NUMBER: float,
    CellKind.JSON: _json,
}
