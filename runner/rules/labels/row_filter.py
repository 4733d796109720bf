"""Which rows of a labeled table a person asks for: by labels and by status."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runner.rules.counted import listed
from runner.rules.errors import UsageError
from runner.rules.labels.label_field import LabelField, LabelKind
from runner.rules.labels.row_status import RowStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NULL: Final = "null"
_BOOLEANS: Final = {"yes": "true", "no": "false", "true": "true", "false": "false"}
_SHOWN: Final = 10  # names or values in an error


@dataclass(frozen=True, slots=True)
class RowFilter:
    """`wanted`: places of labels and the words for their values. `status` None: all but excluded."""

    wanted: tuple[tuple[int, str], ...] = ()
    status: RowStatus | None = None

    def fits(self, status: str, labels: Sequence[Any]) -> bool:
        """Return whether a row has the status and all of the labels; one without labels has none of them."""
        if status != self.status if self.status else status == RowStatus.EXCLUDED:
            return False
        if not self.wanted:
            return True
        return status == RowStatus.OK and all(word in _words(labels[place]) for place, word in self.wanted)


def row_filter(
    fields: Sequence[LabelField], wanted: Iterable[str], status: str | None, *, prefix: str = ""
) -> RowFilter:
    """Return the filter that words like `sentiment=negative` and the name of a status mean.

    A field may have the prefix of its column. Raises UsageError, with a suggestion, for what no row can be.
    """
    found = None if status is None else row_status(status)
    words = tuple(_wanted(fields, word, prefix) for word in wanted)
    if words and found not in (None, RowStatus.OK):
        raise UsageError(
            f"no row with the status {found} has labels", fix=f"give --label or --status {found}, not both"
        )
    return RowFilter(words, found)


def row_status(word: str) -> RowStatus:
    """Return a status by its name. Raises UsageError with the nearest one."""
    try:
        return RowStatus(word.lower())
    except ValueError:
        names = [status.value for status in RowStatus]
        raise _unknown(f'there is no status "{word}"', word.lower(), names) from None


def _wanted(fields: Sequence[LabelField], word: str, prefix: str) -> tuple[int, str]:
    name, equals, value = word.partition("=")
    if not equals:
        raise UsageError(f'--label takes FIELD=VALUE, not "{word}"', fix="such as --label sentiment=negative")
    names = [field.name for field in fields]
    name = name if name in names else name.removeprefix(prefix)
    if name not in names:
        raise _unknown(f'the run has no label "{name}"', name, names)
    place = names.index(name)
    return place, _value(fields[place], value)


def _value(field: LabelField, word: str) -> str:
    """Return a value as `_words` writes it. Raises UsageError if no label of the field can be that."""
    if word == NULL and word not in (field.values or ()):
        return word
    if field.values is not None and word not in field.values:
        raise _unknown(f'{field.name} is never "{word}"', word, field.values)
    if field.kind is LabelKind.BOOLEAN:
        if word.lower() not in _BOOLEANS:
            raise UsageError(f'{field.name} is never "{word}"', fix="it is yes or no")
        return _BOOLEANS[word.lower()]
    if field.kind in (LabelKind.INTEGER, LabelKind.NUMBER):
        return _number(field, word)
    return word


def _number(field: LabelField, word: str) -> str:
    try:
        number = float(word) if field.kind is LabelKind.NUMBER else int(word)
    except ValueError:
        kind = "number" if field.kind is LabelKind.NUMBER else "whole number"
        raise UsageError(f'{field.name} is never "{word}"', fix=f"it is a {kind}") from None
    if (field.low is not None and number < field.low) or (field.high is not None and number > field.high):
        raise UsageError(f"{field.name} is never {word}", fix=f"it is from {field.low} to {field.high}")
    return str(number)


def _words(value: Any) -> Sequence[str]:
    """Return how a label is asked for: a list by any of its items."""
    if value is None:
        return (NULL,)
    if isinstance(value, bool):
        return (str(value).lower(),)
    return value if isinstance(value, list) else (str(value),)


def _unknown(what: str, word: str, known: Iterable[str]) -> UsageError:
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1)
    return UsageError(
        what + (f'; did you mean "{near[0]}"?' if near else ""), fix=f"known are: {listed(names, _SHOWN)}"
    )
