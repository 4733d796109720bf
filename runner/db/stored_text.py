"""Text and paths as both databases store them: without NUL, and without lone surrogates."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from runner.rules.os_text import as_text

_URI: Final = "file://"  # RFC 8089; an absolute path begins with a slash, so the two are never confused


def stored_text(words: str) -> str:
    """Return words for people as they are stored: NUL as U+FFFD, bytes that are no text as escapes."""
    return as_text(words).replace("\0", "\ufffd")


def stored_path(path: str) -> str:
    """Return an absolute path as it is stored: as text, where it is none as a file URI.

    It is the same whatever encoding Python has found for the names of files.
    """
    try:
        return os.fsencode(path).decode()
    except UnicodeDecodeError:
        return Path(path).as_uri()


def path_of(stored: str) -> str:
    """Return the path that `stored_path` made this of."""
    if stored.startswith(_URI):
        return os.fsdecode(unquote_to_bytes(stored.removeprefix(_URI)))
    return os.fsdecode(stored.encode())
