"""Text made fit to be shown: secrets hidden, one line, nothing a terminal would obey."""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HIDDEN: Final = "***"
SECRET_LENGTH_MIN: Final = 4  # hiding "a" would hide the text
_KEY: Final = re.compile(r"xai-[A-Za-z0-9]{8,}")
_URL_PASSWORD: Final = re.compile(r"(://[^\s:/@]*:)[^\s/]+@")
_KEPT: Final = frozenset("\u200c\u200d\u00a0\u3000")  # joiners and wide spaces of ordinary writing


def redact(text: str, secrets: Iterable[str]) -> str:
    """Hide each secret (as it is, url-encoded or in base64), anything like an xAI key, and passwords in URLs.

    Secrets shorter than SECRET_LENGTH_MIN are no secrets and are left alone.
    """
    known = _pattern(tuple(sorted({secret for secret in secrets if len(secret) >= SECRET_LENGTH_MIN})))
    if known is not None:
        text = known.sub(HIDDEN, text)
    return _URL_PASSWORD.sub(rf"\1{HIDDEN}@", _KEY.sub(HIDDEN, text))


def plain(text: str) -> str:
    r"""Show control characters, direction marks, newlines and lone surrogates as escapes (`\x1b`)."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in _KEPT else _escape(char) for char in text)


def one_line(text: str, limit: int) -> str:
    """Fold all white space, make the rest harmless, and cut at `limit` characters with an ellipsis."""
    line = plain(" ".join(text.split()))
    return line if len(line) <= limit else line[: max(limit - 1, 0)] + "…"[:limit]


@lru_cache(maxsize=16)
def _pattern(secrets: tuple[str, ...]) -> re.Pattern[str] | None:
    forms = {form for secret in secrets for form in _forms(secret)}
    if not forms:
        return None
    longest_first = sorted(forms, key=lambda form: (-len(form), form))
    return re.compile("|".join(_any_case_escapes(form) for form in longest_first))


def _forms(secret: str) -> Iterator[str]:
    yield secret
    raw = secret.encode("utf-8", "surrogatepass")
    yield quote(raw, safe="")
    yield quote(raw)
    yield quote_plus(raw)
    for shift in range(3):
        yield from _base64_cores(raw, shift)


def _base64_cores(raw: bytes, shift: int) -> Iterator[str]:
    """Base64 of the secret behind `shift` other bytes: only the letters that no neighbour changes."""
    first = (0, 2, 3)[shift]
    last = (shift + len(raw)) * 8 // 6
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        core = encode(bytes(shift) + raw).decode("ascii")[first:last]
        if len(core) >= SECRET_LENGTH_MIN:
            yield core


def _any_case_escapes(form: str) -> str:
    """Match `%2f` as well as `%2F`."""
    return re.sub(r"%[0-9A-F]{2}", lambda found: f"(?i:{found.group()})", re.escape(form))


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")
