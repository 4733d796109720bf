"""Why an answer does not fit its schema: one short sentence for the model and for people."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import orjson

from runner.rules.json_text.json_faults import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jsonschema_rs import ValidationError

ERROR_CHARACTERS_MAX: Final = 200
_ERRORS_MAX: Final = 3
_ERRORS_READ_MAX: Final = 12
_VALUES_MAX: Final = 12

_TYPES: Final = {
    "string": "text in quotes",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_LIMITS: Final = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}


def schema_error(errors: Iterable[ValidationError], answer: dict[str, Any]) -> str:
    """Return the first few errors of an answer: for each the path, what was expected, and what was there.

    Of several at one place the list of allowed values is said: it has the type as well.
    """
    sentences: dict[str, str] = {}
    for error in islice(errors, _ERRORS_READ_MAX):
        sentence = _sentence(error, answer)
        place = sentence.partition(": expected ")[0]
        if place not in sentences or error.kind.name == "enum":
            sentences[place] = sentence
    return cut("; ".join(islice(sentences.values(), _ERRORS_MAX)))


def cut(text: str) -> str:
    """Return an error of at most ERROR_CHARACTERS_MAX characters."""
    return text if len(text) <= ERROR_CHARACTERS_MAX else text[: ERROR_CHARACTERS_MAX - 1] + "…"


def _path_text(path: Iterable[str | int], answer: Any) -> str:
    """Return a path as it is written in an answer: `a.b[0]`; "the answer" for the whole."""
    text, node = "", answer
    for step in path:
        if isinstance(node, list):
            text += f"[{step}]"
            node = node[int(step)]
        else:  # the library returns the name "1" as a number
            text += f".{shortened(str(step))}"
            node = node.get(str(step)) if isinstance(node, dict) else None
    return text.removeprefix(".") or "the answer"


def _sentence(error: ValidationError, answer: dict[str, Any]) -> str:
    kind: dict[str, Any] = error.kind.as_dict()
    path = error.instance_path
    if error.kind.name == "required":
        return f"{_path_text([*path, kind['property']], answer)} is missing"
    if error.kind.name in ("additionalProperties", "unevaluatedProperties"):
        names = (_path_text([*path, name], answer) for name in kind["unexpected"][:_VALUES_MAX])
        return f"{', '.join(names)} is not in the schema"
    return f"{_path_text(path, answer)}: expected {_expected(error)}, got {_shown(error.instance)}"


def _expected(error: ValidationError) -> str:
    """Return what a value should have been, in words; of rare keywords only the name."""
    kind: dict[str, Any] = error.kind.as_dict()
    name = error.kind.name
    words = _LIMITS.get(name, f"what the schema says with {name}").format(kind.get("limit"))
    if name == "enum":
        words = _one_of(kind["options"])
    elif name == "const":
        words = _json(kind["expected_value"])
    elif name == "type":
        words = " or ".join(_TYPES.get(type_name, type_name) for type_name in kind["types"])
    elif name == "pattern":
        words = f"text like {shortened(kind['pattern'])}"
    elif kind.get("context"):  # anyOf and oneOf: the errors of each variant
        words = " or ".join(dict.fromkeys(_expected(variant[0]) for variant in kind["context"] if variant))
    return words


def _one_of(values: list[Any]) -> str:
    shown = ", ".join(_json(value) for value in values[:_VALUES_MAX])
    more = f" and {len(values) - _VALUES_MAX} more" if len(values) > _VALUES_MAX else ""
    return f"one of {shown}{more}" if len(values) > 1 else shown


def _shown(value: Any) -> str:
    """Return a value in short: a long or nested one by its type."""
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else _json(value)


def _json(value: Any) -> str:
    return shortened(orjson.dumps(value).decode())
