"""Text inside Markdown that does nothing: no markup, HTML, table cell, link, mention or formula."""

from __future__ import annotations

import re
from typing import Final

from runner.rules.redact import plain

# GitHub looks for mentions, references and addresses in the finished page, so that a character reference does
# not hide them: they are parted by a space without width.
_BREAK: Final = "&#8203;"
_ADDRESS: Final = r"@|#(?=\w)|:(?=//)|(?i:(?<=www)\.)"
_MARKUP: Final = r"[&<>|`*\[\]\\~!$\"^{}#]|(?<![^\W_])_|_(?![^\W_])"  # inside of a word `_` is none
_ACTIVE: Final = re.compile(f"(?P<address>{_ADDRESS})|{_MARKUP}")
_TICKS: Final = re.compile("`+")


def inert(text: str) -> str:
    """Return Markdown that shows a text on one line and does nothing else, where it does not begin a line."""
    return _ACTIVE.sub(_shown, _one_line(text))


def code_span(text: str) -> str:
    """Return a text as code, to be copied. Not in a table: there a `|` would end the cell."""
    shown = _one_line(text)
    ticks = "`" * (max(map(len, _TICKS.findall(shown)), default=0) + 1)
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{space}{shown}{space}{ticks}"


def _one_line(text: str) -> str:
    return plain(" ".join(text.split()))


def _shown(found: re.Match[str]) -> str:
    if found["address"] is None:
        return f"&#{ord(found[0])};"
    return f"{_BREAK}." if found[0] == "." else f"{found[0]}{_BREAK}"
