"""JSON on stdout: one object a command, or one a line for live views; nothing else is printed there."""

from __future__ import annotations

import sys
from typing import Any

import orjson


def emit(value: dict[str, Any]) -> None:
    """Print one object on a line of its own, at once."""
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()
