"""Graders of the JSON object in an answer: whether there is one, whether it fits, and its fields."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import orjson

from runner.rules.evaluation.graders.grade import Grade, unscored
from runner.rules.evaluation.graders.number_text import last_number
from runner.rules.evaluation.graders.targets import printable, target_of, unscored_target, yes_or_no
from runner.rules.evaluation.graders.text_folding import DEFAULT_FOLDS, fold_of
from runner.rules.labels.answer_object import InvalidAnswer, answer_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.rules.evaluation.graders.grade import Answer
    from runner.rules.evaluation.graders.text_folding import Fold
    from runner.rules.evaluation.suite.item import Item

_INVALID: Final = Grade(0, "no JSON object")
_MISFIT: Final = Grade(0, "does not fit")
_EXACT_MAX: Final = 2**53  # a double holds every integer up to it


@dataclass(frozen=True, slots=True)
class JsonGrader:
    """1 where the answer is a JSON object, and fits the schema if there is one; the label names a repair."""

    repairs: bool
    schema: Mapping[str, Any] | None
    validator: Any

    def grade(self, _item: Item, answer: Answer) -> Grade:
        """Return 1 or 0."""
        try:
            found, repair = answer_object(answer.text, repairs=self.repairs)
        except InvalidAnswer:
            return _INVALID
        if self.validator is not None and not self.validator.is_valid(found):
            return _MISFIT
        return Grade(1, repair or "")


@dataclass(frozen=True, slots=True)
class FieldGrader:
    """1 where a field of the answer's object is the target's. `path` leads to it, through objects within."""

    path: tuple[str, ...]
    equality: FieldEquality
    repairs: bool
    own_target: object

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Return 1 or 0; unscored without a target for the field."""
        target = target_of(item, self.own_target)
        if isinstance(target, dict):
            if not _has(target, self.path):
                return unscored(printable(f"the target has no field {'.'.join(self.path)}"))
            target = _at(target, self.path)
        elif target is None:
            return unscored_target(target, "a value")
        try:
            found, _ = answer_object(answer.text, repairs=self.repairs)
        except InvalidAnswer:
            return _INVALID
        value = _at(found, self.path)
        return yes_or_no(self.equality.equals(value, target), _value_label(value))


@dataclass(frozen=True, slots=True)
class FieldsGrader:
    """The share of the target's fields that the answer's object has right; the label names the others."""

    names: tuple[str, ...] | None  # None: all that the target has
    equality: FieldEquality
    repairs: bool
    own_target: object

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Return the share; unscored where the target is no object, or has none of the fields."""
        target = target_of(item, self.own_target)
        if not isinstance(target, dict):
            return unscored_target(target, "an object of fields")
        wanted = {name: target[name] for name in self.names or target if name in target}
        if not wanted:
            return unscored("the target has none of the fields")
        try:
            found, _ = answer_object(answer.text, repairs=self.repairs)
        except InvalidAnswer:
            return _INVALID
        wrong = [name for name, value in wanted.items() if not self.equality.equals(found.get(name), value)]
        return _share(len(wanted), wrong)


@dataclass(frozen=True, slots=True)
class FieldEquality:
    """When two JSON values are equal: 3 and 3.0 are, and a text with a number or true, as tables hold them.

    A missing field is null. Lists are compared without their order, unless `is_ordered`.
    """

    fold: Fold
    is_ordered: bool

    def equals(self, value: object, target: object) -> bool:
        """Return whether an answer's value is the target."""
        if isinstance(target, str) and isinstance(value, bool | int | float):
            return self._equals_text(value, target)
        return self._canonical(value) == self._canonical(target)

    def _equals_text(self, value: bool | float, target: str) -> bool:
        if isinstance(value, bool):
            return target.strip().casefold() == ("true" if value else "false")
        number = last_number(target)
        return number is not None and not number.is_percent and number.value == Decimal(str(value))

    def _canonical(self, value: object) -> object:
        """Return a value that is equal, and sorts equally, for equal JSON values."""
        if isinstance(value, str):
            return self.fold(value)
        if isinstance(value, bool) or value is None:
            return ("constant", value)  # true is not 1
        if isinstance(value, dict):
            return {key: self._canonical(one) for key, one in sorted(value.items())}
        if isinstance(value, list | tuple):
            items = [self._canonical(one) for one in value]
            return items if self.is_ordered else sorted(items, key=repr)
        return _plain_number(value)


def json_object(options: Mapping[str, Any]) -> JsonGrader:
    """Make the grader `json`."""
    return JsonGrader(options.get("repairs", True), None, None)


def schema(options: Mapping[str, Any]) -> JsonGrader:
    """Make the grader `schema`."""
    import jsonschema_rs

    described = schema_table(options["schema"])
    return JsonGrader(
        options.get("repairs", True), described, jsonschema_rs.validator_for(described, offline=True)
    )


def field(options: Mapping[str, Any]) -> FieldGrader:
    """Make the grader `field`."""
    path = tuple(options["field"].split("."))
    return FieldGrader(path, _equality(options), options.get("repairs", True), options.get("target"))


def fields(options: Mapping[str, Any]) -> FieldsGrader:
    """Make the grader `fields`."""
    names = options.get("fields")
    return FieldsGrader(
        None if names is None else tuple(names),
        _equality(options),
        options.get("repairs", True),
        options.get("target"),
    )


def schema_table(written: object) -> dict[str, Any]:
    """Return a schema that is written as a table, or as a text that is JSON. Raises ValueError."""
    found = orjson.loads(written) if isinstance(written, str) else written
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - as of JSON that cannot be read
    return found


def _equality(options: Mapping[str, Any]) -> FieldEquality:
    return FieldEquality(fold_of(options.get("ignore", DEFAULT_FOLDS)), options.get("ordered", False))


def _has(value: object, path: Sequence[str]) -> bool:
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    return True


def _at(value: object, path: Sequence[str]) -> object:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _plain_number(value: object) -> object:
    """Return a number as the float it equals, if any; -0.0 is 0.0."""
    if isinstance(value, float) or (isinstance(value, int) and abs(value) <= _EXACT_MAX):
        return value + 0.0
    return value


def _share(count: int, wrong: Sequence[str]) -> Grade:
    if not wrong:
        return Grade(1)
    right = count - len(wrong)
    return Grade(right / count if right else 0, printable(f"wrong: {', '.join(wrong)}"))


def _value_label(value: object) -> str:
    return printable(value if isinstance(value, str) else orjson.dumps(value).decode())
