"""One line of the output: the result's bytes unchanged, on one line, in one of two files."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.output.output_line import EndedJob, make_line
from runner.rules.explain import explain
from runner.rules.json_text.answer_json import json_line
from runner.rules.states import JobState

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
START = b'{"id":"0123456789ab-'


def ended(**changes: Any) -> EndedJob:
    """Return the row of a job that succeeded, with changes."""
    row: dict[str, Any] = {
        "id": (7 << 32) | 16,
        "custom_id": "r-17",
        "state": "succeeded",
        "error_code": None,
        "attempt": 1,
        "metadata": b'{"source": "web"}',
        "http_status": 200,
        "error_message": None,
        "request_id": "q-1",
        "body": b'{"choices": []}',
    }
    return EndedJob(**{**row, **changes})


def test_a_good_line_has_the_shape_of_the_design() -> None:
    """It has id, custom_id, response, error and metadata, and nothing else."""
    line = make_line(START, ended())

    expected = (
        b'{"id":"0123456789ab-17","custom_id":"r-17","response":{"status_code":200,"request_id":"q-1",'
        b'"body":{"choices": []}},"error":null,"metadata":{"source": "web"}}\n'
    )
    assert (True, expected) == line


@given(value=VALUES, indent=st.sampled_from([None, 1, "\t"]), custom_id=st.text(min_size=1), metadata=VALUES)
def test_a_line_has_the_result_whatever_it_is(
    value: object, indent: int | str | None, custom_id: str, metadata: object
) -> None:
    """It is one line of valid JSON with equal values; the bytes differ in line breaks at most."""
    body = json.dumps(value, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    row = ended(body=body, custom_id=custom_id, metadata=json.dumps(metadata).encode())
    raw = make_line(START, row).raw

    assert raw.count(b"\n") == 1
    assert b"\r" not in raw
    parsed = json.loads(raw)
    assert (custom_id, value, metadata) == (
        parsed["custom_id"],
        parsed["response"]["body"],
        parsed["metadata"],
    )
    assert body.replace(b"\n", b" ") in raw


@pytest.mark.parametrize("body", [b"<html>", b"", b'{"a": 1} x', b'{"a": "\xff"}', b"nan", b"[" * 100_000])
def test_bytes_that_are_no_json_make_an_error_line_without_them(body: bytes) -> None:
    """They never break the file; a job that succeeded gets the code unreadable-result."""
    line = make_line(START, ended(body=body))

    parsed = json.loads(line.raw)
    assert json_line(body) is None
    assert (line.is_good, parsed["response"]["body"]) == (False, None)
    assert parsed["error"]["code"] == "unreadable-result"
    assert "show --raw" in parsed["error"]["message"]


@pytest.mark.parametrize(
    ("changes", "error", "response"),
    [
        (
            {"state": "failed", "error_code": "bad-request", "error_message": "no", "http_status": 400},
            {"code": "bad-request", "message": "no", "attempts": 3, "retryable": False},
            {"status_code": 400, "request_id": None, "body": None},
        ),
        (
            {"state": "failed", "error_code": "server-error", "error_message": "oh", "http_status": None},
            {"code": "server-error", "message": "oh", "attempts": 3, "retryable": True},
            None,
        ),
        (
            {"state": "held", "error_code": "no-reply", "error_message": None, "http_status": None},
            {"code": "held-no-reply", "message": explain("no-reply"), "attempts": 3, "retryable": True},
            None,
        ),
    ],
    ids=["refused", "never answered", "held"],
)
def test_an_error_line_has_code_message_attempts_and_retryable(
    changes: dict[str, Any], error: dict[str, Any], response: dict[str, Any] | None
) -> None:
    """`response` is null where there was no reply."""
    row = ended(body=None, request_id=None, attempt=3, **changes)
    parsed = json.loads(make_line(START, row).raw)

    assert (error, response) == (parsed["error"], parsed["response"])


def test_a_failed_job_keeps_the_answer_that_it_got() -> None:
    """A 200 with an error in it becomes an error line with the whole body."""
    row = ended(state=JobState.FAILED, error_code="error-inside", body=b'{"error":"boom"}')
    line = make_line(START, row)

    assert not line.is_good
    assert json.loads(line.raw)["response"]["body"] == {"error": "boom"}
