"""The key of the tests must be nowhere: neither in what was written nor in any process's arguments."""

from __future__ import annotations

import base64
import contextlib
import mmap
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from live import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAY_HOLD_IT: Final = {"key", "holds-the-key", "xai_api_key"}  # files that a test wrote for XAI_API_KEY_FILE
_CORE: Final = 12  # so many letters of each base64 form are enough to tell it


def forms(secret: str) -> set[bytes]:
    """Give the bytes to look for: as it is, URL-encoded, and what of base64 no neighbour changes."""
    raw = secret.encode()
    found = {raw, quote(secret, safe="").encode()}
    for shift in range(3):
        coded = base64.b64encode(bytes(shift) + raw)
        found.add(coded[4 : 4 + _CORE * (len(coded) // _CORE - 1)])
    return found


def holders(folder: Path, secret: str = KEY) -> Iterator[Path]:
    """Yield the files below a folder that hold the secret in one of its forms."""
    wanted = forms(secret)
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError, ValueError):  # gone meanwhile, no plain file, or empty
            if path.name in MAY_HOLD_IT or path.is_symlink() or not path.is_file():
                continue
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
                if any(held.find(form) >= 0 for form in wanted):
                    yield path
