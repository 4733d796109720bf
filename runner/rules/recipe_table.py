"""From the tables of a TOML file to a recipe: keys and types are checked, all in one pass."""

from __future__ import annotations

import math
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from runner.rules.recipe import (
    FILE_PREFIX,
    REASK_DEFAULT,
    REASK_MAX,
    VERSION,
    Ask,
    Out,
    Prompt,
    Recipe,
    RecipeFault,
    TableChoice,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "table": ("file", "id", "where", "sample", "seed", "limit", "encoding", "delimiter"),
    "prompt": ("model", "system", "user", "text", "image", "examples", "set"),
    "ask": ("reask", "repair"),
    "out": ("file", "columns", "prefix"),
}
_TOP: Final = ("recipe", "schema", *_KEYS, "labels", "body")
MADE_FIELDS: Final = {  # fields of the request that are not for [body]
    "model": "write it as prompt.model",
    "messages": "write prompt.system and prompt.user",
    "response_format": "it is made from labels or schema",
    "deferred": "remove it; every request is sent deferred",
    "stream": "remove it; a deferred answer cannot be streamed",
}
_INTEGER_MAX: Final = 2**63 - 1
_DEPTH_MAX: Final = 20


def read_recipe(table: Mapping[str, Any]) -> tuple[Recipe, list[RecipeFault]]:
    """Return the recipe of a parsed TOML file, and its faults: with any of them it must not be used.

    What flags may still add is not missed here; see `recipe_faults`.
    """
    reader = _Reader(table)
    recipe = reader.recipe()
    return recipe, reader.faults


class _Reader:
    """Reads values by their keys; a value of a wrong type becomes a fault and counts as absent."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._table = table
        self.faults: list[RecipeFault] = []

    def recipe(self) -> Recipe:
        self._check_version()
        self._check_keys("", self._table, _TOP)
        for name, keys in _KEYS.items():
            if name in self._table and not isinstance(self._table[name], dict):
                self._fault(name, "must be a table", f"write [{name}], and its keys on the lines below")
            self._check_keys(f"{name}.", self._section(name), keys)
        return Recipe(
            table=self._table_choice(),
            prompt=self._prompt(),
            labels=self._labels(),
            schema=self._text("schema"),
            ask=Ask(
                reask=self._number("ask.reask", 0, REASK_MAX, REASK_DEFAULT) or 0,
                repair=self._flag("ask.repair", default=True),
            ),
            body=self._body(),
            out=Out(
                file=self._text("out.file"),
                columns=self._texts("out.columns"),
                prefix=self._text("out.prefix"),
            ),
        )

    def _table_choice(self) -> TableChoice:
        delimiter = self._text("table.delimiter")
        if delimiter is not None and len(delimiter) != 1:
            self._fault("table.delimiter", "must be one character", 'write ";" or "\\t"')
        return TableChoice(
            file=self._text("table.file"),
            id=self._text("table.id"),
            where=self._text("table.where"),
            sample=self._number("table.sample", 1),
            seed=self._number("table.seed", 0),
            limit=self._number("table.limit", 1),
            encoding=self._text("table.encoding"),
            delimiter=delimiter,
        )

    def _prompt(self) -> Prompt:
        return Prompt(
            model=self._text("prompt.model"),
            system=self._text("prompt.system"),
            user=self._text("prompt.user"),
            text=self._text("prompt.text"),
            image=self._text("prompt.image"),
            examples=self._text("prompt.examples"),
            constants=self._constants(),
        )

    def _check_version(self) -> None:
        version = self._table.get("recipe")
        if version is None:
            self._fault("recipe", "the version is missing", f"write recipe = {VERSION} on the first line")
        elif version is True or version != VERSION:
            self._fault("recipe", f"version {_shown(version)} is unknown", f"write recipe = {VERSION}")

    def _check_keys(self, path: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                self._fault(f"{path}{key}", "this key does not exist", _suggestion(key, known))

    def _fault(self, key: str, reason: str, fix: str) -> None:
        self.faults.append(RecipeFault(key, reason, fix))

    def _section(self, name: str) -> Mapping[str, Any]:
        """Return a table of the file; an absent one is empty."""
        value = self._table.get(name, {})
        return value if isinstance(value, dict) else {}

    def _value(self, path: str) -> Any:
        section, _, key = path.rpartition(".")
        return (self._section(section) if section else self._table).get(key)

    def _checked(self, path: str, fits: Callable[[Any], bool], words: str) -> Any:
        value = self._value(path)
        if value is None or fits(value):
            return value
        self._fault(path, f"must be {words}, not {_kind(value)}", f"write {words}")
        return None

    def _text(self, path: str) -> str | None:
        found: str | None = self._checked(path, lambda value: isinstance(value, str), "a text")
        if found is None or found.removeprefix(FILE_PREFIX):
            return found
        if path == "prompt.system" and not found:
            return found  # no system prompt of one's own
        self._fault(path, "is empty", "write it, or remove the key")
        return None

    def _texts(self, path: str) -> tuple[str, ...]:
        value = self._checked(
            path,
            lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
            "a list of texts",
        )
        return tuple(value or ())

    def _flag(self, path: str, *, default: bool) -> bool:
        value = self._checked(path, lambda value: isinstance(value, bool), "true or false")
        return default if value is None else bool(value)

    def _number(
        self, path: str, low: int, high: int = _INTEGER_MAX, default: int | None = None
    ) -> int | None:
        words = f"a whole number from {low}" + ("" if high == _INTEGER_MAX else f" to {high}")
        value = self._checked(path, lambda value: type(value) is int and low <= value <= high, words)
        return default if value is None else int(value)

    def _table_at(self, path: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] | None = self._checked(
            path, lambda value: isinstance(value, dict), "a table"
        )
        return found or {}

    def _constants(self) -> dict[str, Any]:
        found = self._table_at("prompt.set")
        kept = {}
        for name, value in found.items():
            if isinstance(value, str | bool) or _is_json_number(value):
                kept[name] = value
            else:
                reason = f"must be a text, a number or true or false, not {_kind(value)}"
                self._fault(f"prompt.set.{name}", reason, "write one of these")
        return kept

    def _labels(self) -> dict[str, str]:
        found = self._table_at("labels")
        for name, value in found.items():
            if not isinstance(value, str) or not value.strip():
                fix = f'write {name} = "positive|neutral|negative"'
                self._fault(f"labels.{name}", f"must be a text, not {_kind(value)}", fix)
            elif set("\n;") & set(name + value) or ":" in name:
                fix = "write each field as a key of its own, on one line"
                self._fault(f"labels.{name.strip()}", "has a line break, a semicolon or a colon", fix)
        return {name: value for name, value in found.items() if isinstance(value, str)}

    def _body(self) -> Mapping[str, Any]:
        found = self._table_at("body")
        for name, value in found.items():
            if name in MADE_FIELDS:
                self._fault(f"body.{name}", "this field is not for [body]", MADE_FIELDS[name])
            else:
                self.faults.extend(_json_faults(f"body.{name}", value, 1))
        return found


def _json_faults(path: str, value: object, depth: int) -> Iterator[RecipeFault]:
    """Yield a fault for each value within a field of the body that JSON cannot hold."""
    if depth > _DEPTH_MAX:
        yield RecipeFault(path, f"is nested deeper than {_DEPTH_MAX}", "flatten it")
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _json_faults(f"{path}.{name}", one, depth + 1)
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from _json_faults(f"{path}.{place}", one, depth + 1)
    elif not isinstance(value, str | bool) and not _is_json_number(value):
        yield RecipeFault(path, f"JSON has no {_kind(value)}", "write a text or a number")


def _is_json_number(value: object) -> bool:
    if type(value) is int:
        return abs(value) <= _INTEGER_MAX
    return type(value) is float and math.isfinite(value)


def _suggestion(key: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(key.lower(), known, n=1)
    if near:
        return f'did you mean "{near[0]}"?'
    owners = [f"[{section}]" for section, keys in _KEYS.items() if key in keys]
    return f"it belongs to {' or '.join(owners)}" if owners else f"use one of: {', '.join(known)}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    names = {str: "a text", int: "a whole number", float: "a number", list: "a list", dict: "a table"}
    name = names.get(type(value), "a date or time")
    if isinstance(value, str | int | float):
        return f"{name} ({_shown(value)})"
    return name
