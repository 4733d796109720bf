"""JSON objects for programs. Each shape is declared once, as a type; docs/json.md is made from the types."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import orjson
from msgspec import UNSET, Meta, Raw, Struct

from runner.rules.os_text import as_text

SCHEMA: Final = 1
Schema = Annotated[Literal[1], Meta(description="version of this shape: 1; keys may be added within it")]
Date = Annotated[str, Meta(extra_json_schema={"format": "date"})]
Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]  # UTC, ISO 8601
MONEY: Final = "in ticks: 10^10 are one US dollar"


class JsonObject(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An object; its keys come in the order of the fields. A field with UNSET is left out."""


def about(meaning: str) -> Meta:
    """Return the meaning of a key, for docs/json.md and the schema."""
    return Meta(description=meaning)


def encoded(value: JsonObject, option: int = 0) -> bytes:
    """Return an object as JSON; `option`: orjson's, such as OPT_INDENT_2.

    Names of files may be no text: then they have escapes.
    """
    try:
        return orjson.dumps(value, default=_builtin, option=option)
    except TypeError:
        return orjson.dumps(_all_text(value), default=_builtin, option=option)


def _all_text(value: Any) -> Any:
    """Return a value in which all strings are text."""
    match value:
        case str():
            return as_text(value)
        case Struct():
            return _all_text(_builtin(value))
        case dict():
            return {_all_text(key): _all_text(item) for key, item in value.items()}
        case list() | tuple():
            return [_all_text(item) for item in value]
    return value


def _builtin(value: object) -> Any:
    """Return what orjson knows for what it does not know. Raises TypeError for all but these types."""
    if isinstance(value, Struct):
        pairs = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        fields = ((key, getattr(value, name)) for key, name in pairs)
        return {key: field for key, field in fields if field is not UNSET}
    if isinstance(value, Raw):
        return orjson.Fragment(bytes(value))
    raise TypeError(type(value).__name__)
