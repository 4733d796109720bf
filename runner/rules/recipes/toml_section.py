"""Reads a table of a TOML file by its keys; a value of a wrong type becomes a fault and counts as absent."""

from __future__ import annotations

import math
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from runner.rules.recipes.recipe import FILE_PREFIX, RecipeFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

INTEGER_MAX: Final = 2**63 - 1
_DEPTH_MAX: Final = 20


class TomlSection:
    """A table of a TOML file, or the whole file. Faults go to `faults`, with the path of the key."""

    def __init__(self, table: Mapping[str, Any], faults: list[RecipeFault], path: str = "") -> None:
        """`path` leads to the table, such as `prompt`; "" is the whole file."""
        self.table = table
        self.faults = faults
        self._prefix = f"{path}." if path else ""

    def fault(self, key: str, reason: str, fix: str) -> None:
        """Add a fault of a key of this table."""
        self.faults.append(RecipeFault(f"{self._prefix}{key}", reason, fix))

    def check_keys(self, known: Sequence[str], owners: Mapping[str, Sequence[str]] | None = None) -> None:
        """Add a fault for each key that is not known. `owners`: keys of other tables, by their names."""
        for key in self.table:
            if key not in known:
                self.fault(key, "this key does not exist", _suggestion(key, known, owners or {}))

    def section(self, name: str) -> TomlSection:
        """Return a table within this one; an absent one is empty."""
        value = self.table.get(name, {})
        if not isinstance(value, dict):
            self.fault(name, "must be a table", f"write [{name}], and its keys on the lines below")
            value = {}
        return TomlSection(value, self.faults, f"{self._prefix}{name}")

    def sections(self, name: str) -> list[TomlSection]:
        """Return the tables of an array of tables, [[name]]; an absent one has none, one [name] is one."""
        value = self.table.get(name, [])
        tables = [value] if isinstance(value, dict) else value
        if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
            self.fault(name, "must be tables", f"write [[{name}]], and its keys on the lines below")
            return []
        prefix = f"{self._prefix}{name}"
        paths = [prefix] if len(tables) == 1 else [f"{prefix}.{place}" for place in range(1, len(tables) + 1)]
        return [TomlSection(one, self.faults, path) for one, path in zip(tables, paths, strict=True)]

    def text(self, key: str, *, may_be_empty: bool = False) -> str | None:
        """Return a text, None if absent. One that is empty, or `file:` without a name, is a fault."""
        found: str | None = self._checked(key, lambda value: isinstance(value, str), "a text")
        if found is None or found.removeprefix(FILE_PREFIX) or (may_be_empty and not found):
            return found
        self.fault(key, "is empty", "write it, or remove the key")
        return None

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; () if absent."""
        value = self._checked(
            key,
            lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
            "a list of texts",
        )
        return tuple(value or ())

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._checked(key, lambda value: isinstance(value, bool), "true or false")
        return default if value is None else bool(value)

    def whole(self, key: str, low: int, high: int = INTEGER_MAX, default: int | None = None) -> int | None:
        """Return a whole number of a range."""
        words = f"a whole number from {low}" + ("" if high == INTEGER_MAX else f" to {high}")
        value = self._checked(key, lambda value: type(value) is int and low <= value <= high, words)
        return default if value is None else int(value)

    def number(self, key: str, low: float, high: float) -> float | None:
        """Return a number of a range, None if absent."""
        value = self._checked(
            key,
            lambda value: type(value) in (int, float) and low <= value <= high,
            f"a number from {low:g} to {high:g}",
        )
        return None if value is None else float(value)

    def table_at(self, key: str) -> Mapping[str, Any]:
        """Return a table as it is; an absent one is empty."""
        found: Mapping[str, Any] | None = self._checked(key, lambda value: isinstance(value, dict), "a table")
        return found or {}

    def body(self, key: str, refused: Mapping[str, str]) -> Mapping[str, Any]:
        """Return a table of further fields of the request. `refused`: fields that it must not have, cured."""
        found = self.table_at(key)
        for name, value in found.items():
            if name in refused:
                self.fault(f"{key}.{name}", f"this field is not for [{self._prefix}{key}]", refused[name])
            else:
                self.faults.extend(json_faults(f"{self._prefix}{key}.{name}", value))
        return found

    def _checked(self, key: str, fits: Callable[[Any], bool], words: str) -> Any:
        value = self.table.get(key)
        if value is None or fits(value):
            return value
        self.fault(key, f"must be {words}, not {kind(value)}", f"write {words}")
        return None


def json_faults(path: str, value: object, depth: int = 1) -> Iterator[RecipeFault]:
    """Yield a fault for each value within one that JSON cannot hold."""
    if depth > _DEPTH_MAX:
        yield RecipeFault(path, f"is nested deeper than {_DEPTH_MAX}", "flatten it")
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from json_faults(f"{path}.{name}", one, depth + 1)
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from json_faults(f"{path}.{place}", one, depth + 1)
    elif not isinstance(value, str | bool) and not is_json_number(value):
        yield RecipeFault(path, f"JSON has no {kind(value)}", "write a text or a number")


def is_json_number(value: object) -> bool:
    """Return whether a value is a number that JSON and the API can hold."""
    if type(value) is int:
        return abs(value) <= INTEGER_MAX
    return type(value) is float and math.isfinite(value)


def shown(value: object) -> str:
    """Return a value for a message, shortened."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def kind(value: object) -> str:
    """Return what a value of TOML is, in words."""
    if isinstance(value, bool):
        return "true or false"
    names = {str: "a text", int: "a whole number", float: "a number", list: "a list", dict: "a table"}
    name = names.get(type(value), "a date or time")
    return f"{name} ({shown(value)})" if isinstance(value, str | int | float) else name


def _suggestion(key: str, known: Sequence[str], owners: Mapping[str, Sequence[str]]) -> str:
    near = get_close_matches(key.lower(), known, n=1)
    if near:
        return f'did you mean "{near[0]}"?'
    found = [f"[{section}]" for section, keys in owners.items() if key in keys]
    return f"it belongs to {' or '.join(found)}" if found else f"use one of: {', '.join(known)}"
