"""The forms of other services' lines are recognised by their keys, and job lines are none of them."""

from __future__ import annotations

from typing import Any

import pytest

from runner.rules.other_files.foreign_form import ForeignForm, recognised

_MESSAGES = [{"role": "user", "content": "Say A"}]


@pytest.mark.parametrize(
    ("line", "form"),
    [
        ({"custom_id": "x", "url": "/v1/responses", "body": {"input": "hi"}}, ForeignForm.OPENAI_RESPONSES),
        ({"custom_id": "x", "url": "/v1/responses"}, ForeignForm.OPENAI_RESPONSES),
        ({"custom_id": "x", "body": {"input": [{"role": "user"}]}}, ForeignForm.OPENAI_RESPONSES),
        ({"url": "/v1/chat/completions", "body": {"input": "hi"}}, ForeignForm.OPENAI_RESPONSES),
        ({"model": "grok-4.3", "input": "hi"}, ForeignForm.OPENAI_RESPONSES),
        (
            {"batch_request_id": "x", "batch_request": {"chat_get_completion": {"messages": _MESSAGES}}},
            ForeignForm.XAI_INLINE,
        ),
        ({"custom_id": "x", "params": {"max_tokens": 9, "messages": _MESSAGES}}, ForeignForm.ANTHROPIC),
        ({"custom_id": "x", "request": {"messages": _MESSAGES}}, ForeignForm.ANTHROPIC),
        ({"key": "x", "request": {"contents": [{"parts": [{"text": "hi"}]}]}}, ForeignForm.GEMINI),
        ({"contents": [{"parts": [{"text": "hi"}]}]}, ForeignForm.GEMINI),
        ({"recordId": "x", "modelInput": {"messages": _MESSAGES}}, ForeignForm.BEDROCK),
    ],
)
def test_a_line_of_another_service_is_recognised(line: dict[str, Any], form: ForeignForm) -> None:
    """By its keys alone, whatever its values."""
    assert recognised(line) is form
    assert form.service


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"id": "x", "prompt": "Say A"},
        {"id": "x", "prompt": "Say A", "input": "a field of the user"},
        {"custom_id": "x", "url": "/v1/chat/completions", "body": {"messages": _MESSAGES}},
        {"model": "grok-4.3", "messages": _MESSAGES, "metadata": {"row": 1}},
        {"prompt": "Say A", "params": {"temperature": 1}},
        {"custom_id": "x", "url": "/v1/embeddings", "body": {"input": "hi"}},
        {"instruction": "Translate", "input": "Hello", "output": "Hallo"},
        {"id": "x", "input": "2 + 2?", "target": "4"},
        {"params": "text", "request": 5, "modelInput": None, "batch_request": [], "contents": "c"},
    ],
)
def test_a_job_line_is_no_line_of_another_service(line: dict[str, Any]) -> None:
    """Nor is a line of a service that is not known."""
    assert recognised(line) is None
