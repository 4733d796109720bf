"""JSON objects for programs. Each shape is declared once, as a type; docs/json.md is made from the types."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import orjson
from msgspec import UNSET, Meta, Raw, Struct

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
    """Return an object as JSON; `option`: orjson's, such as OPT_INDENT_2."""
    return orjson.dumps(value, default=_builtin, option=option)


def _builtin(value: object) -> Any:
    """Return what orjson knows for what it does not know. Raises TypeError for all but these types."""
    if isinstance(value, Struct):
        pairs = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        fields = ((key, getattr(value, name)) for key, name in pairs)
        return {key: field for key, field in fields if field is not UNSET}
    if isinstance(value, Raw):
        return orjson.Fragment(bytes(value))
    raise TypeError(type(value).__name__)
