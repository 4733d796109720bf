"""A text that must not be shown."""

from __future__ import annotations

import hashlib

_SHOWN_FROM = 16  # the last four letters of a shorter key would tell too much of it


class Secret:
    """Shows itself only through `reveal()`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself."""
        return self._value

    @property
    def fingerprint(self) -> str:
        """Name the secret without telling it: the first 16 hex digits of its sha256."""
        return hashlib.sha256(self._value.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"set (…{self._value[-4:]})" if len(self._value) >= _SHOWN_FROM else "set"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)
