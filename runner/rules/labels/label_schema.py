"""A user's schema file for labels: read, checked, and brought into the form in which it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules.diagnostics import Problem
from runner.rules.errors import UsageError
from runner.rules.json_text.json_faults import column_of
from runner.rules.json_text.strict_json import parse_object
from runner.rules.labels.answer_schema import schema_bytes
from runner.rules.labels.label_columns import closed_schema, fields_of_schema, without_outer_reference
from runner.rules.requests.schemas import schema_problems

if TYPE_CHECKING:
    from runner.rules.labels.label_field import LabelField


_EXAMPLE: Final = 'write {"type": "object", "properties": {"label": {"type": "string"}}}'
# Faults of a file, in words for schemas; the parser's own are for job lines.
_WORDS: Final = {
    "cut-line": ("the file ends before its object does", "close each { and [ that is opened"),
    "invalid-json": ("it is not valid JSON there", _EXAMPLE),
    "not-an-object": ("it is JSON, but not an object", _EXAMPLE),
}


_CODE_FIX: Final = "to use a class of it, write module:Class as Python imports it, such as labels:Review"


class LabelSchema(NamedTuple):
    """A schema that can be sent: its bytes, its columns, and warnings of what the API reads otherwise."""

    schema: bytes
    fields: list[LabelField]
    warnings: list[Problem]


def read_label_schema(raw: bytes, source: str, *, is_file: bool = True) -> LabelSchema:
    """Return the schema of a file's bytes. Raise UsageError for one that the API or a table cannot take.

    `source` is the file's name, for the message, which then has the place in it; else that of a class.
    """
    value = parse_object(raw)
    if isinstance(value, dict):
        value = without_outer_reference(value)
    if isinstance(value, Problem):
        spot = "" if value.column is None else f" (character {value.column})"
        reason, fix = _WORDS.get(value.code, (value.reason, value.fix))
        if source.endswith(".py"):
            fix = _CODE_FIX
        raise UsageError(f"{source} is no JSON schema{spot}: {reason}", fix=fix)
    problems = list(schema_problems("it is", value, ()))
    refused = [problem for problem in problems if problem.severity == "refused"]
    if refused:
        where = tuple(_placed(raw if is_file else b"", problem) for problem in refused)
        raise UsageError(f"{source} cannot be used as the schema of labels", where=where, fix=refused[0].fix)
    return LabelSchema(schema_bytes(closed_schema(value)), fields_of_schema(value), problems)


def _placed(raw: bytes, problem: Problem) -> str:
    column = column_of(raw, problem.path)
    spot = "/".join(map(str, problem.path)) or "the schema"
    return f"{spot} (character {column}): {problem.reason}" if column else f"{spot}: {problem.reason}"
