"""What a command prints: text with control characters escaped, and JSON."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from runner.rules.errors import UserError
from runner.rules.redact import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.rules.json_object import JsonObject


def open_closed_streams() -> None:
    """Open what the caller has closed (`>&-`) on the null device: what is printed there goes nowhere."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


@contextmanager
def stdout_errors() -> Iterator[None]:
    """Drop what is printed to a pipe that its reader has closed; the command goes on and ends as it would.

    Raises UserError where stdout takes nothing for another cause, as a file on a full disk.
    """
    try:
        yield
    except BrokenPipeError:
        _discard_stdout()
    except OSError as error:
        _discard_stdout()
        why = (error.strerror or "the system gave no reason").lower()
        raise UserError(f"stdout cannot be written: {why}", fix="print it somewhere else") from error


def _discard_stdout() -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def print_escaped(lines: str = "") -> None:
    """Print a result to stdout, with every control character escaped. Raises UserError."""
    with stdout_errors():
        sys.stdout.write(f"{_escaped(lines)}\n")


def print_note(lines: str) -> None:
    """Print progress, a note, a warning or an error to stderr, with every control character escaped.

    A stderr that takes nothing, as a file on a full disk, stops no work and changes no exit code.
    """
    with suppress(OSError):
        sys.stderr.write(f"{_escaped(lines)}\n")
        sys.stderr.flush()


def print_json(value: JsonObject) -> None:
    """Print one object to stdout as a line of its own, and flush. Raises UserError."""
    import orjson  # most commands print text

    from runner.rules.json_object import encoded

    with stdout_errors():
        sys.stdout.buffer.write(encoded(value, orjson.OPT_APPEND_NEWLINE))
        sys.stdout.buffer.flush()


def _escaped(lines: str) -> str:
    return lines if lines.isprintable() else "\n".join(plain(line) for line in lines.split("\n"))
