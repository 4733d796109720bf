"""Bytes of replies as they are kept: answers as they came, everything else without secrets.

What a model answered is paid for and kept byte for byte. A page, an error, or what broke off is kept to find
out what went wrong, and a gateway may have repeated the key in it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runner.rules.json_text.answer_json import read_json
from runner.rules.redact import redact, redact_cut

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runner.rules.replies.chat_completion import Completion


def to_keep(body: bytes, answer: Completion, secrets: Iterable[str]) -> tuple[bytes, Completion]:
    """Return a body and what was read in it, without secrets unless it is an answer (`is_verbatim`)."""
    if answer.is_verbatim:
        return body, answer
    known = tuple(secrets)
    error = None if answer.error is None else redact_cut(answer.error, known)
    return without_secrets(body, known), replace(answer, error=error)


def without_secrets(body: bytes, secrets: Iterable[str]) -> bytes:
    """Return a body without secrets: of text in the text, of JSON in its strings, so that it stays JSON."""
    known = tuple(secrets)
    kept = redact_cut(body.decode("utf-8", "surrogateescape"), known).encode("utf-8", "surrogateescape")
    try:
        value = read_json(body)
        hidden = _hidden(value, known)
    except (ValueError, RecursionError):
        return kept
    is_same = repr(hidden) == repr(value)  # NaN equals nothing
    return body if is_same and kept == body else json.dumps(hidden).encode()


def _hidden(value: Any, secrets: tuple[str, ...]) -> Any:
    match value:
        case str():
            return redact(value, secrets)
        case list():
            return [_hidden(inner, secrets) for inner in value]
        case dict():
            return {redact(name, secrets): _hidden(inner, secrets) for name, inner in value.items()}
        case _:
            return value
