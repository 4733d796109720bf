"""Values of a foreign body by their type; another type refuses the line."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

from runner.rules.foreign.changes import refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runner.rules.foreign.changes import Changes

_PLACES: Final = re.compile(r"\[\d+\]")


def object_of(value: object, where: str) -> dict[str, Any]:
    """Return an object. Raises CannotConvert for any other value; `where` names the place."""
    return value if isinstance(value, dict) else _mistyped(where, "an object")


def list_of(value: object, where: str) -> list[Any]:
    """Return a list. Raises CannotConvert for any other value."""
    return value if isinstance(value, list) else _mistyped(where, "a list")


def text_of(value: object, where: str) -> str:
    """Return a text. Raises CannotConvert for any other value."""
    return value if isinstance(value, str) else _mistyped(where, "a string")


def json_text(value: object) -> str:
    """Return a value as JSON, as arguments of a call are written. Numbers of any length stay exact."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without the fields that are null: every service reads these as absent."""
    return {name: field for name, field in value.items() if field is not None}


def unknown_names(value: Mapping[str, Any], known: Iterable[str]) -> list[str]:
    """Return the names of an object that are not known and have a value."""
    return [name for name, field in value.items() if field is not None and name not in known]


def drop_unknown(value: Mapping[str, Any], known: Iterable[str], where: str, changes: Changes) -> None:
    """Report the fields of an object that are left out: those that are not known and have a value."""
    place = _PLACES.sub("", where)
    for name in unknown_names(value, known):
        changes.dropped(f"{place}.{name}", "chat completions of xAI do not have it")


def _mistyped(where: str, wanted: str) -> NoReturn:
    raise refusal("bad-type", f"{where} must be {wanted}", f"write {wanted}")
