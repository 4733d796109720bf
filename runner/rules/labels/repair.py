"""The narrow repair of an answer that has its JSON object, but not alone.

Two repairs, each with a name that is counted: one markdown fence around the whole answer (`fence`), and text
around the only object (`prose`). Nothing inside the object is ever changed or completed: a number that was
cut would become another number.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

FENCE: Final = "fence"
PROSE: Final = "prose"
DEPTH_MAX: Final = 100  # of braces; no label is nested deeper

_FENCE: Final = re.compile(r"```[ \t]*\w*[ \t]*\r?\n(.*)\n[ \t]*```", re.DOTALL)
# Up to the next brace, past strings and past objects without braces in them. Each character is read at most
# twice: the quantifiers give nothing back, and a string without an end runs to the end of the text.
_STRING: Final = r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)'
_FLAT: Final = rf'(?:[^"{{}}]++|{_STRING})*+'
_TO_BRACE: Final = re.compile(rf"(?:{_FLAT}\{{{_FLAT}\}})*+{_FLAT}[{{}}]", re.DOTALL)


class RepairedAnswer(NamedTuple):
    """The text of the object, and the name of the repair."""

    text: str
    repair: str


class NoOneObject(ValueError):  # noqa: N818 - it says what there is instead
    """A text that does not have exactly one object; the message is why, for the model and for people."""


def repaired(text: str) -> RepairedAnswer:
    """Return the only object of a text that may have more than it. Raises NoOneObject.

    Whether the object is JSON is for the caller to see. Takes time in proportion to the length.
    """
    start = text.find("{")
    if start < 0:
        raise NoOneObject("the answer has no JSON object" if text.strip() else "the answer is empty")
    end = _object_end(text, start)
    before, after = text[:start].rstrip(), text[end:].lstrip()
    if "{" in after or "}" in after or "}" in before:
        raise NoOneObject("the answer has more than one JSON object, or other text with braces")
    if before.endswith("[") or after.startswith("]"):
        raise NoOneObject("the JSON object is in a list")
    fenced = _FENCE.fullmatch(text.strip())
    is_fence = fenced is not None and fenced[1].strip() == text[start:end]
    return RepairedAnswer(text[start:end], FENCE if is_fence else PROSE)


def _object_end(text: str, start: int) -> int:
    """Return the offset after the brace that closes the one at `start`. Raises NoOneObject."""
    depth, place = 1, start + 1
    while found := _TO_BRACE.match(text, place):
        place = found.end()
        depth += 1 if text[place - 1] == "{" else -1
        if depth > DEPTH_MAX:
            raise NoOneObject(f"the answer is nested more than {DEPTH_MAX} levels deep")
        if not depth:
            return place
    raise NoOneObject("the JSON object is not closed")
