"""Faults of answers to requests with a json_schema: the answer is paid, and no JSON that fits the schema.

invalid         JSON that breaks the schema: a wrong value, or a property is missing
fenced          the right answer, between the fences of a code block
prose           the right answer, with words before and after it
two_objects     the right answer and another one, in any order
cut_json        the right answer without its end; its finish_reason is `stop`
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

import orjson

from runner.simulator.scalars import TRIES
from runner.simulator.schema_instances import make_instance
from runner.simulator.schema_validation import accepts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

CHANGES_MAX: Final = 200  # of one answer that are tried: a long array has many
OUT_OF_RANGE: Final = 1000
_BEFORE: Final = (
    "Here is what I found:\n\n",
    "Sure! The labels of this text are: ",
    "I read the text twice. My answer is\n",
)
_AFTER: Final = (
    "\n\nTell me if you need anything else.",
    " - I am fairly sure of it.",
    "\nThe text leaves little doubt.",
)


def spoil(kind: str, schema: Any, answer: Any, random: Random) -> str | None:
    """Return the text of an answer with this fault, None where there is none.

    No answer is wrong for a schema that accepts everything, and a number without its end is a number.
    """
    text = _encode(answer)
    match kind:
        case "invalid":
            return next(_broken(schema, answer, random), None)
        case "fenced":
            return f"```json\n{text}\n```"
        case "prose":
            return random.choice(_BEFORE) + text + random.choice(_AFTER)
        case "two_objects":
            other = next(chain(_others(schema, answer, random), _broken(schema, answer, random)), None)
            return None if other is None else _join(text, other, random)
        case _:
            return text[: random.randrange(1, len(text))] if isinstance(answer, dict | list | str) else None


def _encode(value: Any) -> str:
    return orjson.dumps(value).decode()


def _join(text: str, other: str, random: Random) -> str:
    both = [text, other]
    random.shuffle(both)
    return random.choice(("\n", "\n\nor rather\n\n", " ")).join(both)


def _others(schema: Any, answer: Any, random: Random) -> Iterator[str]:
    """Yield other answers that satisfy the schema, and are objects where the answer is one."""
    text = _encode(answer)
    for _ in range(TRIES):
        other = make_instance(schema, random, "", plausible=False)
        if type(other) is type(answer) and _encode(other) != text:
            yield _encode(other)


def _broken(schema: Any, answer: Any, random: Random) -> Iterator[str]:
    """Yield the answer with a change that breaks the schema; nothing if the schema accepts everything."""
    raw = orjson.dumps(schema)
    changed = list(islice(_changes(answer), CHANGES_MAX))
    random.shuffle(changed)
    for value in (*changed, "unclear", None):
        if not accepts(raw, value):
            yield _encode(value)


def _changes(value: Any) -> Iterator[Any]:
    """Yield copies of a value with one change each: a property is missing, or a value is another one."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield {key: kept for key, kept in value.items() if key != name}
            for changed in _changes(part):
                yield {**value, name: changed}
    elif isinstance(value, list):
        for at, part in enumerate(value):
            for changed in _changes(part):
                yield [*value[:at], changed, *value[at + 1 :]]
    else:
        yield _change(value)


def _change(value: str | float | None) -> str | float:
    """Return another value than a string, number, boolean or null; it is in no enum that a label is of."""
    if isinstance(value, str):
        return f"rather {value}"
    return "unclear" if value is None or isinstance(value, bool) else value + OUT_OF_RANGE
