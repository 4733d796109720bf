"""Text for display: secrets hidden, control characters escaped, cut to one line."""

from __future__ import annotations

import base64
import html
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HIDDEN: Final = "***"
SECRET_LENGTH_MIN: Final = 4  # hiding "a" would destroy the text
_KEY: Final = re.compile(r"xai-[A-Za-z0-9]{8,}")
_URL_PASSWORD: Final = re.compile(r"(://[^\s:/@]*:)[^\s/]+@")
_KEPT: Final = frozenset("\u200c\u200d\u00a0\u3000")  # joiners and spaces that ordinary text has


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return the text without secrets, xAI keys and passwords in URLs; each is replaced by HIDDEN.

    Secrets are found as they are, url-encoded, in base64, and as JSON and HTML write them; those below
    SECRET_LENGTH_MIN are ignored.
    """
    pattern = _pattern(_long_enough(secrets))
    if pattern is not None:
        text = pattern.sub(HIDDEN, text)
    return _URL_PASSWORD.sub(rf"\1{HIDDEN}@", _KEY.sub(HIDDEN, text))


def redact_cut(text: str, secrets: Iterable[str]) -> str:
    """Return what `redact` does, for a text that may be cut off: a secret may begin at its end."""
    known = tuple(secrets)
    text = redact(text, known)
    for form in _all_forms(_long_enough(known)):
        for length in range(min(len(form) - 1, len(text)), SECRET_LENGTH_MIN - 1, -1):
            if text.endswith(form[:length]):
                return text[:-length] + HIDDEN
    return text


def plain(text: str) -> str:
    r"""Return the text with control and direction characters and lone surrogates as escapes (`\x1b`)."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in _KEPT else _escape(char) for char in text)


def one_line(text: str, limit: int | None) -> str:
    """Return the text as one line of at most `limit` characters: white space folded, the rest as `plain`.

    A cut text ends in an ellipsis. None is no limit: the escapes make a line longer than its text.
    """
    line = plain(" ".join(text.split()))
    return line if limit is None or len(line) <= limit else line[: max(limit - 1, 0)] + "…"[:limit]


def _long_enough(secrets: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({secret for secret in secrets if len(secret) >= SECRET_LENGTH_MIN}))


@lru_cache(maxsize=16)
def _pattern(secrets: tuple[str, ...]) -> re.Pattern[str] | None:
    forms = _all_forms(secrets)
    return re.compile("|".join(_any_case_escapes(form) for form in forms)) if forms else None


@lru_cache(maxsize=16)
def _all_forms(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Return all forms of the secrets, the longest first."""
    forms = {form for secret in secrets for form in _forms(secret)}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _forms(secret: str) -> Iterator[str]:
    yield secret
    raw = secret.encode("utf-8", "surrogatepass")
    yield quote(raw, safe="")
    yield quote(raw)
    yield quote_plus(raw)
    yield html.escape(secret)
    for is_ascii in (True, False):
        written = json.dumps(secret, ensure_ascii=is_ascii)[1:-1]
        yield written
        yield written.replace("/", "\\/")
        yield re.sub("[<>&']", lambda found: f"\\u{ord(found[0]):04x}", written)
    for shift in range(3):
        yield from _base64_cores(raw, shift)


def _base64_cores(raw: bytes, shift: int) -> Iterator[str]:
    """Yield the base64 of a secret after `shift` other bytes, without letters that depend on neighbours."""
    first = (0, 2, 3)[shift]
    last = (shift + len(raw)) * 8 // 6
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        core = encode(bytes(shift) + raw).decode("ascii")[first:last]
        if len(core) >= SECRET_LENGTH_MIN:
            yield core


def _any_case_escapes(form: str) -> str:
    """Return a pattern for the text that accepts `%2f` as well as `%2F`."""
    return re.sub(r"%[0-9A-F]{2}", lambda found: f"(?i:{found.group()})", re.escape(form))


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")
