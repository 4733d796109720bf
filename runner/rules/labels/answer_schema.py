"""The JSON schema of the answers and the words of the prompt that labels lead to.

Only keywords that the API enforces are used, and what it would assume otherwise is written out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from runner.rules.labels.label_field import LabelField, LabelKind

if TYPE_CHECKING:
    from collections.abc import Sequence

_JSON_TYPES: Final = {
    LabelKind.TEXT: "string",
    LabelKind.INTEGER: "integer",
    LabelKind.NUMBER: "number",
    LabelKind.BOOLEAN: "boolean",
}
_WORDS: Final = {
    LabelKind.TEXT: "text",
    LabelKind.INTEGER: "a whole number",
    LabelKind.NUMBER: "a number",
    LabelKind.BOOLEAN: "true or false",
    LabelKind.LIST: "a list of texts",
    LabelKind.JSON: "as the schema says",
}


def answer_schema(fields: Sequence[LabelField]) -> dict[str, Any]:
    """Return the schema of fields of the short language: an object with all of them and nothing else."""
    return {
        "type": "object",
        "properties": {field.name: _property(field) for field in fields},
        "required": [field.name for field in fields],
        "additionalProperties": False,
    }


def schema_bytes(schema: dict[str, Any]) -> bytes:
    """Return a schema as it is sent and kept: the same bytes for the same schema, keys in their order."""
    return orjson.dumps(schema)


def instructions(fields: Sequence[LabelField]) -> str:
    """Return the lines that end the system prompt: what each field means and may hold."""
    lines = ["Answer with one JSON object and nothing else. Its fields:"]
    for field in fields:
        lines.append(f"- {field.name}: {_meaning(field)}")
        if field.values and any(field.descriptions):
            lines += map(_described, field.values, field.descriptions)
    return "\n".join(lines)


def _property(field: LabelField) -> dict[str, Any]:
    """Return the schema of one field."""
    allowed: dict[str, Any]
    if field.kind is LabelKind.LIST:
        allowed = {"type": "array", "items": _text(field.values)}
    elif field.kind is LabelKind.TEXT:
        allowed = _text(field.values)
    else:
        allowed = {"type": _JSON_TYPES[field.kind]}
    if field.low is not None:
        allowed["minimum"] = field.low
    if field.high is not None:
        allowed["maximum"] = field.high
    return {"anyOf": [allowed, {"type": "null"}]} if field.is_nullable else allowed


def _text(values: tuple[str, ...] | None) -> dict[str, Any]:
    return {"type": "string"} if values is None else {"type": "string", "enum": list(values)}


def _meaning(field: LabelField) -> str:
    words = _WORDS[field.kind]
    if field.values is not None:
        listed = "these" if any(field.descriptions) else ", ".join(map(_quoted, field.values))
        words = f"a list of any of {listed}" if field.kind is LabelKind.LIST else f"one of {listed}"
    elif field.low is not None and field.high is not None:
        words += f" from {field.low} to {field.high}"
    return f"{words}, or null if there is none" if field.is_nullable else words


def _described(value: str, description: str | None) -> str:
    return f"  - {_quoted(value)}: {description}" if description else f"  - {_quoted(value)}"


def _quoted(value: str) -> str:
    return orjson.dumps(value).decode()
