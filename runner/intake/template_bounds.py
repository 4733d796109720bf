"""Bounds of what a template may compute: each check raises BoundError before much memory or time is used."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from jinja2.exceptions import SecurityError, TemplateRuntimeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CHARACTERS_MAX: Final = 16 << 20  # of a rendered text, and of each value on the way
_ARGUMENT_MAX: Final = 10_000  # widths and counts
_BITS_MAX: Final = 4_096  # of a computed integer
_PARTS_MAX: Final = 200_000  # of a list or an object with all that is in it
_WIDTH: Final = re.compile(r"%[^a-zA-Z%]*(\d{4,}|\*)")


class BoundError(TemplateRuntimeError):
    """A template would make a value that is too large, or run for too long."""


def check_arguments(arguments: Iterable[Any]) -> None:
    for value in arguments:
        if isinstance(value, int) and value > _ARGUMENT_MAX:
            raise BoundError(f"the number {value:,} is too large here; {_ARGUMENT_MAX:,} is the most")


def check_method(text: str, name: str, args: Sequence[Any]) -> None:
    """Raise BoundError where a method of a text would make much more text out of it."""
    if name == "replace" and len(args) > 1:
        check_replace(text, *args[:2])
    elif name == "join" and args and isinstance(args[0], list | tuple | dict):
        check_joined(text, args[0])
    elif name == "translate":
        raise SecurityError("translate is not available on a text; write replace")
    elif name == "expandtabs":
        check_size(text.count("\t") * max([8, *map(length_or_number, args)]))


def check_joined(separator: str, values: Iterable[Any]) -> None:
    lengths = [len(separator) + length(value) for value in values]
    check_size(sum(lengths))


def check_format(text: str, values: Any = ()) -> None:
    """Raise BoundError where a format has a large width, or prints its values too often."""
    if _WIDTH.search(text):
        raise BoundError("a format has a width of four digits or more")
    found = values.values() if isinstance(values, dict) else values if isinstance(values, tuple) else [values]
    longest = 0
    for value in found:
        longest = max(longest, length(value) if isinstance(value, str) else check_extent(value))
    check_size(len(text) + text.count("%") * longest)


def check_extent(value: Any) -> int:
    """Return about how many characters a value has when it is printed. Raises BoundError if too many.

    A list that stands in a value many times counts each time: such a value is small in memory, and endless
    in print.
    """
    size, parts, left = 0, 0, [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            size += sum(map(length, one))
            left.extend(one.values())
        elif isinstance(one, list | tuple):
            left.extend(one)
        size += length(one) if isinstance(one, str) else 1
        parts += 1
        if parts + len(left) > _PARTS_MAX:
            raise BoundError(f"a value of more than {_PARTS_MAX:,} parts would be printed")
        check_size(size)
    return size


def check_replace(text: str, old: Any = "", new: Any = "") -> None:
    places = text.count(str(old)) if old else len(text) + 1
    check_size(len(text) + places * len(str(new)))


def check_product(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int):
        check_bits(left.bit_length() + right.bit_length())
    elif isinstance(right, int):
        check_size(length(left) * right)
    elif isinstance(left, int):
        check_size(length(right) * left)


def length_or_number(value: Any) -> int:
    return value if isinstance(value, int) else length(value)


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def length(value: Any) -> int:
    return len(value) if isinstance(value, str | list | tuple) else 0


def check_size(size: int) -> None:
    if size > CHARACTERS_MAX:
        raise BoundError(f"a value of more than {CHARACTERS_MAX >> 20} million characters would be made")


def check_bits(bits: int) -> None:
    if bits > _BITS_MAX:
        raise BoundError("a number of more than 1,200 digits would be computed")
