"""Validation of instances as xAI reads schemas: `oneOf` means the same as `anyOf`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import orjson


def accepts(schema: bytes, value: Any) -> bool:
    """Return whether the value satisfies the schema, given as JSON; True if that cannot be checked."""
    return _is_valid(_validator(schema), value)


def part_accepts(schema: bytes, part: Any, value: Any) -> bool:
    """Return whether the value satisfies a part of the schema; references of the part are to the whole."""
    return _is_valid(_validator(schema).evolve(schema=part), value)


def _is_valid(validator: Any, value: Any) -> bool:
    from referencing.exceptions import Unresolvable

    try:
        return bool(validator.is_valid(value))
    except (Unresolvable, re.error):
        return True  # cannot be checked: an outside reference, or a pattern that Python does not know


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Any:
    return _validator_class()(orjson.loads(schema))


@lru_cache(maxsize=1)
def _validator_class() -> Any:
    import jsonschema  # slower to import than all the rest

    draft: Any = jsonschema.Draft202012Validator
    extend: Any = jsonschema.validators.extend  # it has no types
    return extend(draft, {"oneOf": draft.VALIDATORS["anyOf"]})
