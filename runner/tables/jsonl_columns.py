"""Finds the columns of a JSONL table, and the type of each that loses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.tables.table import CellKind, TableError

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS_MAX: Final = 10_000
_DOUBLE_EXACT: Final = 2**53  # integers up to it are exact as a float

# What the values of a column are; a column may have several.
_TEXT: Final = 1
_BOOLEAN: Final = 2
_INTEGER: Final = 4
_LONG_INTEGER: Final = 8  # exact in 64 bits, not as a float
_FLOAT: Final = 16
_TEXTS: Final = 32
_OTHER: Final = 64

_SIMPLE: Final[Mapping[type, int]] = {type(None): 0, str: _TEXT, bool: _BOOLEAN, dict: _OTHER}
_KINDS: Final[Mapping[int, CellKind]] = {
    0: CellKind.TEXT,  # null in every row
    _TEXT: CellKind.TEXT,
    _BOOLEAN: CellKind.BOOLEAN,
    _INTEGER: CellKind.INTEGER,
    _LONG_INTEGER: CellKind.INTEGER,
    _INTEGER | _LONG_INTEGER: CellKind.INTEGER,
    _FLOAT: CellKind.NUMBER,
    _INTEGER | _FLOAT: CellKind.NUMBER,
    _TEXTS: CellKind.LIST,
}


class ColumnSurvey:
    """The keys of all rows added so far, in the order in which they came first, and what they hold."""

    def __init__(self) -> None:
        """Begin without any row."""
        self._found: dict[str, int] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row. Raise TableError where there are more than COLUMNS_MAX keys."""
        found = self._found
        for name, value in row.items():
            kind = _SIMPLE.get(type(value))
            found[name] = found.get(name, 0) | (_kind_of(value) if kind is None else kind)
        if len(found) > COLUMNS_MAX:
            raise TableError(
                f"the rows have more than {COLUMNS_MAX:,} different keys",
                fix="put the keys that differ from row to row into one object, under a key of all rows",
            )

    @property
    def kinds(self) -> dict[str, CellKind]:
        """Return the columns and their types: JSON where no other type holds all values unchanged."""
        return {name: _KINDS.get(found, CellKind.JSON) for name, found in self._found.items()}


def _kind_of(value: Any) -> int:
    if isinstance(value, list):
        return _TEXTS if all(type(item) is str for item in value) else _OTHER
    if not -(2**63) <= value < 2**63:
        return _OTHER  # a float may be an integer of more digits, as fast parsers read it
    if isinstance(value, float):
        return _FLOAT
    return _INTEGER if abs(value) <= _DOUBLE_EXACT else _LONG_INTEGER
