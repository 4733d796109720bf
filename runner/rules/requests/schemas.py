"""Validation of JSON schemas, so that no job is sent with a schema that the API must refuse.

A schema must be one by its own metaschema, and have nothing that xAI refuses; what xAI reads otherwise is a
warning.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from runner.rules.diagnostics import Path, Problem
from runner.rules.requests.xai_schema import differences, refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

_CACHED: Final = 64
_REASON_CHARACTERS_MAX: Final = 160


def schema_problems(what: str, schema: dict[str, Any], where: Path) -> Iterator[Problem]:
    """Yield the problems of a schema; `what` names it in a sentence, `where` is its path in the body."""
    if fault := schema_fault(schema):
        reason = f"{what} no JSON schema: {fault}"
        yield Problem(code="bad-schema", path=where, reason=reason, fix="correct the schema")
        return
    refused = list(refusals(schema))
    for problem in refused or differences(schema):
        yield replace(problem, path=(*where, *problem.path))


def schema_fault(schema: dict[str, Any]) -> str | None:
    """Return why `schema` is not a valid JSON schema, else None. Results are cached."""
    return _fault(orjson.dumps(schema))


@lru_cache(maxsize=_CACHED)
def _fault(encoded: bytes) -> str | None:
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    schema = orjson.loads(encoded)
    validator: Any = Draft202012Validator
    if type(schema.get("$schema")) is str:
        validator = validator_for(schema, default=Draft202012Validator)
    try:
        # Patterns are checked elsewhere: they are ECMA regular expressions, which Python cannot parse.
        validator.check_schema(schema, format_checker=FormatChecker(formats=()))
    except SchemaError as error:
        where = "/".join(str(step) for step in error.absolute_path)
        reason = f"{where}: {error.message}" if where else str(error.message)
        return reason if len(reason) <= _REASON_CHARACTERS_MAX else reason[: _REASON_CHARACTERS_MAX - 1] + "…"
    except RecursionError:
        return None  # too deep for the validator; the schema itself may be valid
    return None
