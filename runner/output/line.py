"""One line of OUT.jsonl or OUT.errors.jsonl, as bytes. Pure.

The API's bytes are spliced in as they came. Only line breaks between their tokens become spaces, because a
line is a line; `show --raw` has the bytes untouched.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
import orjson

from runner.rules.explain import explain
from runner.rules.retry import retryable
from runner.rules.states import JobState

_LF: Final = 10
_CR: Final = 13  # as numbers they are found six times as fast
_BREAKS: Final = bytes.maketrans(b"\r\n", b"  ")
_WHITE: Final = b" \t\r\n"
_ORDINALS: Final = 0xFFFFFFFF  # the low half of a job's id is its place in the file
_UNREADABLE: Final = "unreadable-result"
_NO_JSON: Final = "(body is null because the answer is no JSON; show --raw prints its bytes)"


_skim: Final = msgspec.json.Decoder(msgspec.Raw).decode  # checks the grammar and builds nothing
_SUCCEEDED: Final = JobState.SUCCEEDED.value  # as it stands in the row: comparing plain strings is faster


class Ended(NamedTuple):
    """One row of `db.ended.pages`, column by column: a plain tuple is read ten times as fast."""

    id: int
    custom_id: str
    state: str
    error_code: str | None
    attempt: int
    spent: int
    metadata: bytes | None
    http_status: int | None
    error_message: str | None
    request_id: str | None
    body: bytes | None


class OutputLine(NamedTuple):
    """A line with its line feed, and which of the two files it belongs to."""

    good: bool
    raw: bytes


def make_line(start: bytes, row: Ended) -> OutputLine:
    """Make the line of an ended or held job; `start` are the bytes that all lines of its run begin with."""
    answer, metadata = row.body, row.metadata
    body = on_one_line(answer) if answer is not None and is_json(answer) else None
    good = body is not None and row.state == _SUCCEEDED
    error = b"null" if good else orjson.dumps(_error(row, unreadable=answer is not None and body is None))
    raw = b'%b%d","custom_id":%b,"response":%b,"error":%b,"metadata":%b}\n' % (
        start,
        (row.id & _ORDINALS) + 1,
        orjson.dumps(row.custom_id),
        _response(row, body),
        error,
        b"null" if metadata is None else on_one_line(metadata),
    )
    return OutputLine(good, raw)


def is_json(raw: bytes) -> bool:
    """Say whether the bytes are one JSON value (RFC 8259: UTF-8, nothing beside it)."""
    try:
        _skim(raw)
        return raw.isascii() or bool(raw.decode())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def on_one_line(raw: bytes) -> bytes:
    """Put JSON on one line: only the line breaks between its tokens become spaces."""
    raw = raw.strip(_WHITE)
    return raw.translate(_BREAKS) if _LF in raw or _CR in raw else raw


def _response(row: Ended, body: bytes | None) -> bytes:
    if row.http_status is None and row.body is None:
        return b"null"
    return b'{"status_code":%b,"request_id":%b,"body":%b}' % (
        orjson.dumps(row.http_status),
        orjson.dumps(row.request_id),
        body or b"null",
    )


def _error(row: Ended, *, unreadable: bool) -> dict[str, Any]:
    code = row.error_code or (_UNREADABLE if row.state == JobState.SUCCEEDED else "unknown")
    message = row.error_message or ("" if unreadable else explain(code))
    return {
        "code": f"held-{code}" if row.state == JobState.HELD else code,
        "message": f"{message} {_NO_JSON}".lstrip() if unreadable else message,
        "attempts": row.attempt,
        "retryable": row.state == JobState.HELD or retryable(code),
    }
