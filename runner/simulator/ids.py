"""Identifiers that look like random UUIDs and carry a running number: finding a job needs no index.

The rest of the bits is random for each process, so ids of an earlier life are unknown ones.
"""

from __future__ import annotations

import re
import secrets

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


class Ids:
    """One family of ids."""

    def __init__(self) -> None:
        noise = secrets.token_hex(9)
        self._prefix = f"{noise[:8]}-{noise[8:12]}-4{noise[12:15]}-8{noise[15:18]}-"

    def make(self, number: int) -> str:
        return f"{self._prefix}{number:012x}"

    def number(self, text: str) -> int | None:
        """The running number within an id of this family; None for any other."""
        if text[:24].lower() != self._prefix or not is_uuid(text):
            return None
        return int(text[24:], 16)


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None
