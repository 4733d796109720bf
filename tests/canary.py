"""Searches files for the tests' API key, which must be in no file and in no process's arguments."""

from __future__ import annotations

import base64
import contextlib
import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from live_runner import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

ALLOWED_FILES: Final = {"key", "holds-the-key", "xai_api_key"}  # files that a test wrote for XAI_API_KEY_FILE
_BASE64_PIECE: Final = 12  # the search uses a multiple of so many base64 letters


def encodings(secret: str) -> set[bytes]:
    """Return the bytes to search for: plain, URL-encoded, and base64 at each of its three offsets.

    Of base64 only the middle, which the bytes before and after the secret do not change.
    """
    raw = secret.encode()
    encoded = {raw, quote(secret, safe="").encode()}
    for shift in range(3):
        base64_form = base64.b64encode(bytes(shift) + raw)
        encoded.add(base64_form[4 : 4 + _BASE64_PIECE * (len(base64_form) // _BASE64_PIECE - 1)])
    return encoded


def files_with_secret(folder: Path, secret: str = KEY) -> Iterator[Path]:
    """Yield the files below a folder that contain the secret in one of its encodings."""
    wanted = encodings(secret)
    found = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)  # some may vanish
    for path in found:
        with contextlib.suppress(OSError, ValueError):  # removed in the meantime, no regular file, or empty
            if path.name in ALLOWED_FILES or path.is_symlink() or not path.is_file():
                continue
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                if any(content.find(form) >= 0 for form in wanted):
                    yield path
