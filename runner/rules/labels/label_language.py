"""The short language for labels: one field a line, or several separated by `;`.

    sentiment: positive|neutral|negative     one of these texts
    topics: [price|quality|service]          a list of any of them
    stars: 1..5                              a whole number; 0.0..1.0 is a number with a fraction
    urgent: yes/no                           a boolean: true or false in the table
    note: text                               any text; also: integer, number
    topic: @topics.csv                       one of the values of a file, each with its description
    sentiment?: positive|negative            may be null

Pure: the caller reads the files.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules.json_text.answer_json import without_surrogates
from runner.rules.json_text.json_faults import shortened
from runner.rules.labels.label_field import LabelField, LabelKind
from runner.rules.labels.label_text import LabelFaultFound, TextPart
from runner.rules.labels.label_values import listed_values, values_of_file

if TYPE_CHECKING:
    from runner.rules.labels.label_values import ReadValues

_FIELD: Final = re.compile(r"[^;\n]+")
_NAME: Final = re.compile(r"[^\W_]\w*")
_NUMBER: Final = r"[+-]?[0-9]+(?:\.[0-9]+)?"
_RANGE: Final = re.compile(rf"({_NUMBER}) *\.\. *({_NUMBER})")
_NEAR_RANGE: Final = re.compile(rf"({_NUMBER}) *(?:-|to|\.+|\u2013|\u2026) *({_NUMBER})")
_RANGE_AND_MORE: Final = re.compile(rf"({_NUMBER}) *\.\. *({_NUMBER})\b.*")
_LISTED: Final = re.compile(r"(?:[a-z]+ *)?[({](.*)[)}]")  # as other languages write an enum
_BAR: Final = re.compile(r" *[,/\\|\u2502\u00a6] *| +or +")  # what is written in place of one
_MEANT_CHARACTERS_MAX: Final = 200  # of a suggestion
_DIGITS_MAX: Final = 15  # more are not exact in every reader of JSON

_WORDS: Final = {
    "text": LabelKind.TEXT,
    "integer": LabelKind.INTEGER,
    "number": LabelKind.NUMBER,
    "yes/no": LabelKind.BOOLEAN,
}
_OTHER_WORDS: Final = {
    "string": "text",
    "str": "text",
    "int": "integer",
    "float": "number",
    "bool": "yes/no",
    "boolean": "yes/no",
    "true/false": "yes/no",
    "yes": "yes/no",
    "y/n": "yes/no",
    "list": "[a|b|c]",
}
_FORMS: Final = "a|b|c, [a|b|c], 1..5, yes/no, text, integer, number or @FILE.csv"


class LabelFault(NamedTuple):
    """One fault of the text. `line` and `column` count from 1, the column in characters."""

    line: int
    column: int
    field: str  # its name, or the text in its place; "labels" without one
    reason: str
    fix: str

    def __str__(self) -> str:
        place = f"column {self.column}" if self.line == 1 else f"line {self.line}, column {self.column}"
        return f"{place}: {self.field}: {self.reason}; {self.fix}"


class ParsedLabels(NamedTuple):
    """The fields of a text in its order, and its faults; with a fault the fields are incomplete."""

    fields: list[LabelField]
    faults: list[LabelFault]


def parse_labels(text: str, read_values: ReadValues) -> ParsedLabels:
    """Return the fields of a text and its faults.

    `read_values` returns the pairs (value, description or None) of the file of a name; a UserError that it
    raises becomes a fault of the field.
    """
    parsed = ParsedLabels([], [])
    names: set[str] = set()
    for found in _FIELD.finditer(text):
        part = TextPart.trimmed(found.start(), found[0])
        if not part.text:
            continue
        name = _name_of(part)
        try:
            parsed.fields.append(_field(part, read_values, names))
        except LabelFaultFound as found_fault:
            parsed.faults.append(_placed(text, name, found_fault))
    if not parsed.fields and not parsed.faults:
        fault = LabelFaultFound(0, "there is no field", "write one, such as sentiment: positive|negative")
        parsed.faults.append(_placed(text, "labels", fault))
    return parsed


def _placed(text: str, name: str, fault: LabelFaultFound) -> LabelFault:
    line = text.count("\n", 0, fault.offset) + 1
    column = fault.offset - (text.rfind("\n", 0, fault.offset) + 1) + 1
    return LabelFault(line, column, without_surrogates(shortened(name)) or "labels", fault.reason, fault.fix)


def _name_of(part: TextPart) -> str:
    """Return the name of a field, without the mark of a nullable one."""
    return part.text.partition(":")[0].strip().removesuffix("?").rstrip()


def _field(part: TextPart, read_values: ReadValues, names: set[str]) -> LabelField:
    """Return one field, and add its name to `names`. Raises LabelFaultFound."""
    written, colon, _ = part.text.partition(":")
    name = _name_of(part)
    if not colon:
        raise LabelFaultFound(part.offset, "a type is missing", f"write name: type; a type is {_FORMS}")
    _check_name(name, part.offset)
    if name in names:
        raise LabelFaultFound(part.offset, "this field is there twice", "rename or remove one of the two")
    names.add(name)
    described = part.inner(len(written) + 1)
    if not described.text:
        raise LabelFaultFound(
            part.offset + len(written), "a type is missing", f"write {_FORMS} after the colon"
        )
    is_nullable = written.rstrip().endswith("?")
    if described.text.startswith("["):
        return _list(name, described, read_values, is_nullable=is_nullable)
    return _single(name, described, read_values, is_nullable=is_nullable)


def _check_name(name: str, offset: int) -> None:
    if name.startswith("_"):
        fix = "begin with a letter; columns that begin with _ are ours, such as _status"
        raise LabelFaultFound(offset, "a name cannot begin with _", fix)
    if not name:
        raise LabelFaultFound(offset, "the name is missing", "write name: type")
    if not _NAME.fullmatch(name):
        raise LabelFaultFound(offset, "this is no name for a field", "use letters, digits and _ only")


def _list(name: str, part: TextPart, read_values: ReadValues, *, is_nullable: bool) -> LabelField:
    if not part.text.endswith("]"):
        raise LabelFaultFound(part.offset, "the list is not closed", "write ] after its last value")
    inner = part.inner(1, -1)
    values: tuple[str, ...] | None = None
    descriptions: tuple[str | None, ...] = ()
    if inner.text.startswith("@"):
        values, descriptions = values_of_file(inner, read_values)
    elif inner.text != "text":
        values = listed_values(inner, values_min=1)
    return LabelField(
        name=name,
        kind=LabelKind.LIST,
        path=(name,),
        values=values,
        is_nullable=is_nullable,
        descriptions=descriptions,
    )


def _single(name: str, part: TextPart, read_values: ReadValues, *, is_nullable: bool) -> LabelField:
    values: tuple[str, ...] | None = None
    descriptions: tuple[str | None, ...] = ()
    low = high = None
    kind = _WORDS.get(part.text.lower())
    if kind is None and (found := _RANGE.fullmatch(part.text)):
        kind, low, high = _range(part.offset, found[1], found[2])
    elif kind is None and part.text.startswith("@"):
        kind = LabelKind.TEXT
        values, descriptions = values_of_file(part, read_values)
    elif kind is None:
        if "|" not in part.text:
            raise _unknown_word(part)
        kind, values = LabelKind.TEXT, listed_values(part, values_min=2)
    return LabelField(
        name=name,
        kind=kind,
        path=(name,),
        values=values,
        low=low,
        high=high,
        is_nullable=is_nullable,
        descriptions=descriptions,
    )


def _range(offset: int, low_text: str, high_text: str) -> tuple[LabelKind, int | float, int | float]:
    if max(len(low_text), len(high_text)) > _DIGITS_MAX:
        raise LabelFaultFound(
            offset, f"a bound has more than {_DIGITS_MAX} digits", "write integer or number instead"
        )
    is_number = "." in low_text or "." in high_text
    low, high = (float(low_text), float(high_text)) if is_number else (int(low_text), int(high_text))
    if low == high:
        raise LabelFaultFound(offset, f"{low_text}..{high_text} allows one value only", "write two bounds")
    if low > high:
        fix = f"write {high_text}..{low_text}"
        raise LabelFaultFound(offset, f"{low_text}..{high_text} begins above its end", fix)
    return (LabelKind.NUMBER if is_number else LabelKind.INTEGER), low, high


def _unknown_word(part: TextPart) -> LabelFaultFound:
    """Return the fault of a type that is none, with what was probably meant."""
    if part.text.endswith("?"):
        fix = 'where null is allowed, the ? stands behind the name: "NAME?: TYPE"'
        return LabelFaultFound(part.offset, f'"{shortened(part.text)}" is no type', fix)
    meant = _meant(part.text)
    fix = f"did you mean {meant}?" if meant else f"write {_FORMS}"
    return LabelFaultFound(part.offset, f'"{shortened(part.text)}" is no type', fix)


def _meant(text: str) -> str:
    """Return the type that a text was probably meant as, or ""."""
    near_range = _NEAR_RANGE.fullmatch(text.lower()) or _RANGE_AND_MORE.fullmatch(text)
    if near_range:
        return f"{near_range[1]}..{near_range[2]}"
    close = get_close_matches(text.lower(), [*_WORDS, *_OTHER_WORDS], n=1, cutoff=0.75)
    if close:
        return _OTHER_WORDS.get(close[0], close[0])
    listed = _LISTED.fullmatch(text)
    values = _BAR.split(listed[1] if listed else text)
    is_list = len(values) > 1 and all(values) and ".." not in text
    return "|".join(values) if is_list and len(text) <= _MEANT_CHARACTERS_MAX else ""
