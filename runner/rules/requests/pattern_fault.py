"""Finds patterns of JSON schemas that no engine can compile.

Patterns are ECMA regular expressions, which Python does not parse as they are: their escapes and the names of
their groups are left out, and of what Python then refuses only the faults count that every engine finds.
"""

from __future__ import annotations

import re
import warnings
from typing import Final

_ESCAPE: Final = re.compile(r"\\.", re.DOTALL)
_GROUP_NAME: Final = re.compile(r"\(\?<\w+>")
_CERTAIN: Final = (
    "missing ), unterminated subpattern",
    "unbalanced parenthesis",
    "unterminated character set",
    "nothing to repeat",
    "multiple repeat",
    "bad character range",
    "min repeat greater than max repeat",
    "bad escape (end of pattern)",
)
_ESCAPED: Final = "\ue000"  # stands for a character that is written as an escape
_EMPTY_SETS: Final = ("[]", "[^]")  # valid in ECMA alone


def pattern_fault(pattern: str) -> str | None:
    """Return why a pattern cannot be compiled, else None."""
    if any(empty in pattern for empty in _EMPTY_SETS):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # a bracket within a set is one in ECMA
            re.compile(_for_python(pattern))
    except re.error as error:
        is_certain = error.msg.startswith(_CERTAIN) and _ESCAPED not in error.msg
        return error.msg if is_certain else None
    except (RecursionError, OverflowError):
        return None
    return None


def _for_python(pattern: str) -> str:
    """Return a pattern in which each escape is one character, and no group has a name."""
    return _GROUP_NAME.sub("(", _ESCAPE.sub(_ESCAPED, pattern))
