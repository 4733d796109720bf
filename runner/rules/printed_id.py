r"""How the id of a job is printed, and read again: what is printed can be typed, whatever the id holds.

Control and direction characters are escapes (`\t`, `\u202e`), and a backslash that would begin one is `\x5c`.
"""

from __future__ import annotations

import re
from typing import Final

from runner.rules.redact import plain

_ESCAPE: Final = re.compile(r"\\(?:[tnr]|x[0-9a-f]{2}|u[0-9a-f]{4}|U000[0-9a-f]{5}|U0010[0-9a-f]{4})")
_BACKSLASH: Final = r"\x5c"


def printed_id(custom_id: str) -> str:
    """Return an id on one line, so that `read_id` returns the id."""
    if "\\" in custom_id:
        custom_id = _ESCAPE.sub(lambda found: _BACKSLASH + found.group()[1:], custom_id)
    return plain(custom_id)


def read_id(word: str) -> str:
    """Return the id that is printed as `word`."""
    if "\\" not in word:
        return word
    return _ESCAPE.sub(lambda found: found.group().encode("ascii").decode("unicode_escape"), word)


def short_id(custom_id: str, limit: int) -> str:
    """Return an id as it is printed, cut to `limit` characters; a cut one ends in an ellipsis."""
    printed = printed_id(custom_id)
    return printed if len(printed) <= limit else f"{printed[: limit - 1]}…"
