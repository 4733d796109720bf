"""Builds one line of OUT.jsonl or OUT.errors.jsonl, as bytes. Pure.

The result's bytes are inserted as they were received, as `rules.answer_json.json_line` makes a line of them;
`show --raw` prints the original bytes.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import orjson

from runner.rules.explain import HELD_PREFIX, explain
from runner.rules.json_text.answer_json import json_line, on_one_line
from runner.rules.sending.retry import is_retryable
from runner.rules.states import JobState

_ORDINALS: Final = 0xFFFFFFFF  # the low half of a job's id is its ordinal in the file
_UNREADABLE: Final = "unreadable-result"
_NO_JSON: Final = "(body is null because the answer is no JSON; show --raw prints its bytes)"
_SUCCEEDED: Final = JobState.SUCCEEDED.value  # a plain string as in the row: faster to compare


class EndedJob(NamedTuple):
    """One row of a page of ended jobs, column by column. (A tuple is read ten times as fast as a Row.)"""

    id: int
    custom_id: str
    state: str
    error_code: str | None
    attempt: int
    metadata: bytes | None
    http_status: int | None
    error_message: str | None
    request_id: str | None
    body: bytes | None
    set_model: str | None = None


class OutputLine(NamedTuple):
    """A line with its line end; `good` lines belong to the results file, others to the errors file."""

    is_good: bool
    raw: bytes


def make_line(start: bytes, row: EndedJob) -> OutputLine:
    """Return the line of an ended or held job; `start` is the beginning of all lines of its run."""
    answer, metadata = row.body, row.metadata
    body = json_line(answer) if answer is not None else None
    good = body is not None and row.state == _SUCCEEDED
    error = b"null" if good else orjson.dumps(_error(row, unreadable=answer is not None and body is None))
    raw = b'%b%d","custom_id":%b,"response":%b,"error":%b,"metadata":%b%b}\n' % (
        start,
        (row.id & _ORDINALS) + 1,
        orjson.dumps(row.custom_id),
        _response(row, body),
        error,
        b"null" if metadata is None else on_one_line(metadata),
        b"" if row.set_model is None else b',"set_model":%b' % orjson.dumps(row.set_model),
    )
    return OutputLine(good, raw)


def _response(row: EndedJob, body: bytes | None) -> bytes:
    if row.http_status is None and row.body is None:
        return b"null"
    return b'{"status_code":%b,"request_id":%b,"body":%b}' % (
        orjson.dumps(row.http_status),
        orjson.dumps(row.request_id),
        body or b"null",
    )


def _error(row: EndedJob, *, unreadable: bool) -> dict[str, Any]:
    code = row.error_code or (_UNREADABLE if row.state == JobState.SUCCEEDED else "unknown")
    message = row.error_message or ("" if unreadable else explain(code))
    return {
        "code": f"{HELD_PREFIX}{code}" if row.state == JobState.HELD else code,
        "message": f"{message} {_NO_JSON}".lstrip() if unreadable else message,
        "attempts": row.attempt,
        "retryable": row.state == JobState.HELD or is_retryable(code),
    }
