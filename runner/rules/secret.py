"""A secret text that is not shown by accident."""

from __future__ import annotations

import hashlib

_SHOWN_FROM = 16  # characters; of a shorter key the last four would reveal too much


class Secret:
    """A text that only `reveal()` returns; its repr shows at most the last four characters."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself."""
        return self._value

    @property
    def fingerprint(self) -> str:
        """The first 16 hex digits of the secret's sha256, a name for it that may be shown."""
        return hashlib.sha256(self._value.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"set (…{self._value[-4:]})" if len(self._value) >= _SHOWN_FROM else "set"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)
