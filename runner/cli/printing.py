"""What a command prints: text with control characters escaped, and JSON.

No function raises for a stream that takes nothing: `streams` sees to that.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from runner.rules.redact import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runner.rules.json_object import JsonObject


def print_escaped(lines: str = "") -> None:
    """Print a result to stdout, with every control character escaped."""
    sys.stdout.write(f"{_escaped(lines)}\n")


def print_note(lines: str) -> None:
    """Print progress, a note, a warning or an error to stderr, with every control character escaped."""
    sys.stderr.write(f"{_escaped(lines)}\n")
    sys.stderr.flush()


def print_notes(lines: Iterable[str], *, is_quiet: bool) -> None:
    """Print notes as `print_note` does, those that are not empty; none where `is_quiet`."""
    for line in lines:
        if line and not is_quiet:
            print_note(line)


def print_bytes(chunk: bytes) -> None:
    """Print bytes of a result to stdout as they are."""
    sys.stdout.buffer.write(chunk)


def print_json(value: JsonObject) -> None:
    """Print one object to stdout as a line of its own, and flush."""
    import orjson  # most commands print text

    from runner.rules.json_object import encoded

    sys.stdout.buffer.write(encoded(value, orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def _escaped(lines: str) -> str:
    return lines if lines.isprintable() else "\n".join(plain(line) for line in lines.split("\n"))
