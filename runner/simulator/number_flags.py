"""Numbers on the simulator's command line: digits 0 to 9, a decimal point, commas between groups of three.

Python reads more, such as `1_000`, `1e3`, `nan` and digits of other scripts.
"""

from __future__ import annotations

import re
from typing import Any

import click

_WHOLE = r"(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]{1,12})"
_NUMBER = re.compile(rf"{_WHOLE}(?:\.[0-9]{{1,12}})?|\.[0-9]{{1,12}}")


def plain(text: str) -> str:
    """Return a number without its commas. Raise ValueError for any other text."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is no number")
    return text.replace(",", "")


class Whole(click.IntRange):
    """A whole number within a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number. Raise click.BadParameter."""
        return int(super().convert(_checked(self, value, param, ctx), param, ctx))


class Number(click.FloatRange):
    """A number within a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number. Raise click.BadParameter."""
        return float(super().convert(_checked(self, value, param, ctx), param, ctx))


class SignedNumber(click.FloatRange):
    """A number within a range, with a minus sign if it is below 0."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number. Raise click.BadParameter."""
        if not isinstance(value, str):
            return float(super().convert(value, param, ctx))
        number = float(_checked(self, value.removeprefix("-"), param, ctx))
        if value.startswith("-"):
            if not number:
                self.fail(f"{value!r} is no number like -0.1 or 0", param, ctx)
            number = -number
        return float(super().convert(number, param, ctx))


def _checked(
    kind: click.ParamType[Any], value: Any, param: click.Parameter | None, ctx: click.Context | None
) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return plain(value)
    except ValueError:
        kind.fail(f"{value!r} is no number like 20, 0.75 or 1,000", param, ctx)
