"""The contract of a run's answers: the schema that was sent, as a check of each answer.

Built once a run; a check of a good answer takes a few microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from runner.rules.errors import UsageError
from runner.rules.labels.answer_object import InvalidAnswer, answer_object
from runner.rules.labels.contract_errors import cut, schema_error
from runner.rules.labels.label_columns import fields_of_schema
from runner.rules.labels.label_field import INTEGER_MAX, LabelField, LabelKind

_EXACT_MAX: Final = 2**53  # a double holds every integer up to it

_Convert: TypeAlias = Callable[[Any], Any]


class CheckedAnswer(NamedTuple):
    """The labels of an answer that fits, by column and in the order of the schema; else None and an `error`.

    This is one short sentence for the model and for people, without more of the answer than a few words.
    `repair` names what was done to a valid answer to find its object, None if nothing was.
    """

    labels: dict[str, Any] | None
    error: str = ""
    repair: str | None = None


class Contract:
    """What an answer must be.

    Values are what a column of their kind holds: int within 64 bits, float, bool, str, a list of str, or JSON
    as text; None where the schema allows null or the name is missing. A whole number answered as 3.0 is 3;
    anything else that does not fit is invalid, never converted.
    """

    def __init__(self, schema: bytes, *, repairs: bool = True) -> None:
        """Compile a schema. Raise UsageError if it has no label or cannot be compiled.

        Without `repairs`, an answer must be a JSON object and nothing else.
        """
        import jsonschema_rs

        described = orjson.loads(schema)
        self.fields: tuple[LabelField, ...] = tuple(fields_of_schema(described))
        try:
            self._validator = jsonschema_rs.validator_for(described, offline=True)
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            raise UsageError(
                f"the schema of the labels cannot be used: {str(error).splitlines()[0]}",
                fix="correct the schema; its references must stay within it",
            ) from None
        self._repairs = repairs
        self._columns = [(field.name, field.path, _conversion(field)) for field in self.fields]

    def check(self, content: str) -> CheckedAnswer:
        """Return the labels of an answer's text, or why it is invalid. Never raises."""
        try:
            answer, repair = answer_object(content, repairs=self._repairs)
            if self._validator.is_valid(answer):
                return CheckedAnswer(self._labels(answer), repair=repair)
        except InvalidAnswer as fault:
            return CheckedAnswer(None, cut(str(fault)))
        return CheckedAnswer(None, schema_error(self._validator.iter_errors(answer), answer))

    def _labels(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Return the values of a valid answer by column. Raises InvalidAnswer for an integer too large."""
        labels = {}
        for name, path, convert in self._columns:
            value: Any = answer
            for step in path:
                value = value.get(step) if value is not None else None
            if convert is not None and value is not None:
                try:
                    value = convert(value)
                except OverflowError:
                    raise InvalidAnswer(f"{name}: expected a whole number of at most 64 bits") from None
            labels[name] = value
        return labels


def _conversion(field: LabelField) -> _Convert | None:
    """Return what makes the value of a column; a list of known texts is a set: each is in it once."""
    if field.kind is LabelKind.LIST and field.values is not None:
        return _distinct
    return _CONVERT.get(field.kind)


def _distinct(values: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _integer(value: Any) -> int:
    """Return a whole number of a column. Raises OverflowError where it is not exact or too large."""
    if isinstance(value, float):
        if abs(value) > _EXACT_MAX:
            raise OverflowError
        return int(value)
    if not -INTEGER_MAX - 1 <= value <= INTEGER_MAX:
        raise OverflowError
    return int(value)


def _json_text(value: Any) -> str:
    return orjson.dumps(value).decode()


_CONVERT: Final[dict[LabelKind, _Convert]] = {
    LabelKind.INTEGER: _integer,
    LabelKind.NUMBER: float,
    LabelKind.JSON: _json_text,
}
