"""Checks of the options of graders: what each may hold, and what is said where it does not."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from runner.rules.evaluation.graders.object_graders import schema_table
from runner.rules.evaluation.graders.pattern_grader import compiled
from runner.rules.evaluation.graders.targets import printable
from runner.rules.recipes.recipe import RecipeFault
from runner.rules.requests.schemas import schema_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Check: TypeAlias = Callable[[str, Any], Iterator[RecipeFault]]


def any_text(key: str, value: Any) -> Iterator[RecipeFault]:
    """Check for a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        yield _wrong(key, value, "write a text")


def flag(key: str, value: Any) -> Iterator[RecipeFault]:
    """Check for true or false."""
    if not isinstance(value, bool):
        yield _wrong(key, value, "write true or false")


def target(key: str, value: Any) -> Iterator[RecipeFault]:
    """Check for what answers may be compared with: a text, a number, a list of them, or a table."""
    one_of = value if isinstance(value, list | tuple) and value else [value]
    if not all(isinstance(one, str | int | float) for one in one_of) and not isinstance(value, dict):
        yield _wrong(key, value, "write a text, or a list of texts each of which is right")


def one_of(*words: str) -> Check:
    """Return the check for one of some words."""

    def check(key: str, value: Any) -> Iterator[RecipeFault]:
        if value not in words:
            yield _wrong(key, value, f"use one of: {', '.join(words)}")

    return check


def some_of(*words: str) -> Check:
    """Return the check for a list of some words, or of none."""

    def check(key: str, value: Any) -> Iterator[RecipeFault]:
        if not isinstance(value, list | tuple) or not all(one in words for one in value):
            yield _wrong(key, value, f"write a list of any of: {', '.join(words)}")

    return check


def number_from(low: float, high: float = math.inf) -> Check:
    """Return the check for a number within bounds."""
    bounds = f"from {low:g}" + ("" if high == math.inf else f" to {high:g}")

    def check(key: str, value: Any) -> Iterator[RecipeFault]:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not low <= value <= high or value == math.inf:
            yield _wrong(key, value, f"write a number {bounds}")

    return check


def weight(key: str, value: Any, high: float | None) -> Iterator[RecipeFault]:
    """Check for a weight above 0, and at most `high`."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value < math.inf or (high is not None and value > high):
        yield _wrong(key, value, "write a number above 0" + ("" if high is None else f", at most {high:g}"))


def texts(key: str, value: Any) -> Iterator[RecipeFault]:
    """Check for a list of texts."""
    if not isinstance(value, list | tuple) or not value or not all(isinstance(one, str) for one in value):
        yield _wrong(key, value, "write a list of texts")


def pattern(key: str, value: Any) -> Iterator[RecipeFault]:
    """Check for a regular expression of Python."""
    if not isinstance(value, str) or not value:
        yield _wrong(key, value, "write a regular expression")
        return
    try:
        compiled(value)
    except (re.error, OverflowError, RecursionError) as error:
        yield RecipeFault(key, f"the pattern cannot be used: {printable(str(error))}", "correct it")


def schema(key: str, value: Any) -> Iterator[RecipeFault]:
    """Check for a JSON Schema, as a table or as JSON text."""
    import jsonschema_rs

    fix = "write a JSON Schema as a table, or as JSON in a text"
    try:
        described = dict(schema_table(value))
        fault = schema_fault(described)
        if fault is None:
            jsonschema_rs.validator_for(described, offline=True)
    except (ValueError, TypeError, jsonschema_rs.ReferencingError) as error:
        fault = str(error).splitlines()[0]
    if fault is not None:
        yield RecipeFault(key, f"it is no JSON Schema that can be used: {printable(fault)}", fix)


def function_name(key: str, value: Any) -> Iterator[RecipeFault]:
    """Check for `module:function`."""
    module, colon, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not colon or not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        yield _wrong(
            key, value, "write module:function, such as checks:is_polite for checks.py beside the suite"
        )


def scores(key: str, value: Any) -> Iterator[RecipeFault]:
    """Check for scores by item and epoch."""
    if not isinstance(value, dict) or not all(_are_scores(one) for one in value.values()):
        yield _wrong(key, value, 'name their file: file = "scores.csv"')


def part_tables(key: str, value: Any) -> Iterator[RecipeFault]:
    """Check for a list of tables, each with a type; what is in them is checked as a grader is."""
    if not isinstance(value, list | tuple) or not value:
        yield _wrong(key, value, 'write a list of graders, like [{ type = "includes" }]')
        return
    for place, one in enumerate(value):
        if not isinstance(one, dict) or not isinstance(one.get("type"), str):
            yield _wrong(f"{key}.{place}", one, 'write a grader, like { type = "includes" }')


def _are_scores(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    return all(one is None or (isinstance(one, int | float) and 0 <= one <= 1) for one in value.values())


def _wrong(key: str, value: Any, fix: str) -> RecipeFault:
    return RecipeFault(key, f"it is {_shown(value)}", fix)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f'the text "{printable(value)}"' if value.strip() else "an empty text"
    try:
        return printable(orjson.dumps(value).decode())
    except TypeError:
        return f"of the type {type(value).__name__}"
