"""Request ids: UUIDs that contain a serial number, so that no index is needed to find a job.

The other bits are random for each process, so ids of an earlier process are unknown.
"""

from __future__ import annotations

import re
import secrets

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


class Ids:
    """Ids with one random prefix."""

    def __init__(self) -> None:
        random_hex = secrets.token_hex(9)
        self._prefix = f"{random_hex[:8]}-{random_hex[8:12]}-4{random_hex[12:15]}-8{random_hex[15:18]}-"

    def make(self, number: int) -> str:
        """Return the id of a serial number."""
        return f"{self._prefix}{number:012x}"

    def parse(self, text: str) -> int | None:
        """Return the serial number of an id made here; None for any other text."""
        if text[:24].lower() != self._prefix or not is_uuid(text):
            return None
        return int(text[24:], 16)


def is_uuid(text: str) -> bool:
    """Return whether the text has the form of a UUID."""
    return _UUID.fullmatch(text) is not None
