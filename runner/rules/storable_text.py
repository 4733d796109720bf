"""Which texts both databases can store."""

from __future__ import annotations

from runner.rules.os_text import is_text


def is_storable(text: str) -> bool:
    """Return whether PostgreSQL can store a text: no NUL and no half of a character."""
    return "\0" not in text and is_text(text)
