"""The values of one label: listed in the text, or read from a file by the caller."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from runner.rules.errors import UserError
from runner.rules.json_text.json_faults import shortened
from runner.rules.labels.label_text import LabelFaultFound, TextPart

_BRACKETS: Final = ("()", "{}", "[]")
_QUOTES: Final = "\"'"
_NEXT_FIELD: Final = re.compile(r",\s*([^\W\d_]\w*\??)\s*:")

ReadValues: TypeAlias = Callable[[str], Iterable[tuple[str, str | None]]]


def listed_values(part: TextPart, values_min: int) -> tuple[str, ...]:
    """Return the texts between bars.

    Raises LabelFaultFound for an empty, a doubled or an only one, and for what was meant otherwise: marks
    around the values would become part of the labels, and a second field part of a value.
    """
    values = list(part.split("|"))
    _check_marks(part, [value.text for value in values])
    seen: set[str] = set()
    for value in values:
        _check_value(value, seen)
        seen.add(value.text)
    if len(seen) < values_min:
        raise LabelFaultFound(
            part.offset, "there is one value only", "write at least two, with | between them"
        )
    return tuple(value.text for value in values)


def values_of_file(part: TextPart, read_values: ReadValues) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    """Return the values and the descriptions of the file that a part names. Raises LabelFaultFound."""
    name = part.text[1:].strip()
    if not name:
        raise LabelFaultFound(part.offset, "the name of a file is missing", "write @FILE.csv")
    try:
        pairs = list(read_values(name))
    except UserError as error:
        raise LabelFaultFound(part.offset, error.what, error.fix or f"correct {shortened(name)}") from error
    values = [value.strip() for value, _ in pairs]
    _check_values_of_file(part, shortened(name), values)
    descriptions = tuple((text or "").strip() or None for _, text in pairs)
    return tuple(values), descriptions if any(descriptions) else ()


def _check_values_of_file(part: TextPart, name: str, values: list[str]) -> None:
    if len(values) < 2:
        count = "one value only" if values else "no value"
        raise LabelFaultFound(part.offset, f"{name} has {count}", "give it at least two")
    seen: set[str] = set()
    for place, value in enumerate(values, start=1):
        try:
            _check_value(TextPart(part.offset, value), seen)
        except LabelFaultFound as fault:
            reason = f"{name}, value {place}: {fault.reason}"
            raise LabelFaultFound(part.offset, reason, "correct the file") from None
        seen.add(value)


def _check_marks(part: TextPart, values: list[str]) -> None:
    """Raise LabelFaultFound for brackets around all values, quotes around each, and a comma for a `;`."""
    for opening, closing in _BRACKETS:
        if _are_bracketed(values[0], values[-1], opening, closing):
            meant = part.text.removeprefix(opening).removesuffix(closing).strip()
            fix = f"write them without it, or for a list of them [{shortened(meant)}]"
            raise LabelFaultFound(part.offset, f"the values have {closing} at their end", fix)
    if any(all(_is_quoted(value, quote) for value in values) for quote in _QUOTES):
        meant = shortened("|".join(value[1:-1] for value in values))
        raise LabelFaultFound(part.offset, "the values have quotes around them", f"write {meant}")
    if found := _NEXT_FIELD.search(part.text):
        fix = f'begin another field with "; {found[1]}:"; a value like this can stand in a @FILE'
        reason = f'a value has ", {found[1]}:" in it'
        raise LabelFaultFound(part.offset + found.start(), reason, fix)


def _are_bracketed(first: str, last: str, opening: str, closing: str) -> bool:
    """Return whether a bracket ends the values that none of the last one opens; for a list that is enough."""
    begins = first.startswith(opening) and closing not in first
    ends = last.endswith(closing) and opening not in last
    return ends and (begins or closing == "]")


def _is_quoted(value: str, quote: str) -> bool:
    return len(value) > 1 and value[0] == value[-1] == quote


def _check_value(value: TextPart, seen: set[str]) -> None:
    if not value.text:
        raise LabelFaultFound(value.offset, "a value is empty", "write it, or remove a |")
    if value.text in seen:
        raise LabelFaultFound(
            value.offset, f'the value "{shortened(value.text)}" is there twice', "remove one"
        )
    if not _is_unicode(value.text):
        raise LabelFaultFound(value.offset, "a value is not UTF-8", "write it in UTF-8")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
