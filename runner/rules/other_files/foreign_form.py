"""Recognises job lines written for other batch services, by their keys.

Sources: the public pages of each service on the input files of its batches, 2026. Lines of OpenAI's batches
for chat completions, and bare `{"model", "messages", "metadata"}` lines, are job lines already.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class ForeignForm(StrEnum):
    """The form of a line of another service."""

    OPENAI_RESPONSES = "openai-responses"  # {"custom_id", "url": "/v1/responses", "body": {"input", ...}}
    XAI_INLINE = "xai-inline"  # {"batch_request_id", "batch_request": {"chat_get_completion": {...}}}
    ANTHROPIC = "anthropic"  # {"custom_id", "params": {...}}; at Vertex AI {"request": {"messages", ...}}
    GEMINI = "gemini"  # {"key", "request": {"contents": [...]}}
    BEDROCK = "bedrock"  # {"recordId", "modelInput": {...}}

    @property
    def service(self) -> str:
        """Return the service as a sentence names it, as in "a line of ..."."""
        return _SERVICES[self]


_SERVICES: Final = {
    ForeignForm.OPENAI_RESPONSES: "the Responses API",
    ForeignForm.XAI_INLINE: "xAI's Batch API",
    ForeignForm.ANTHROPIC: "Anthropic's Message Batches API",
    ForeignForm.GEMINI: "Gemini's Batch API",
    ForeignForm.BEDROCK: "Amazon Bedrock's batch inference",
}

_BY_KEY: Final = {
    "batch_request": ForeignForm.XAI_INLINE,
    "modelInput": ForeignForm.BEDROCK,
    "params": ForeignForm.ANTHROPIC,
}


def recognised(line: Mapping[str, Any]) -> ForeignForm | None:
    """Return the form of a line of another service; None for a job line, and for what is unknown."""
    if "prompt" in line or "messages" in line:
        return None
    for key, form in _BY_KEY.items():
        if _is_object(line, key):
            return form
    request = line["request"] if _is_object(line, "request") else line
    if isinstance(request.get("contents"), list):
        return ForeignForm.GEMINI
    if isinstance(request.get("messages"), list):
        return ForeignForm.ANTHROPIC
    return ForeignForm.OPENAI_RESPONSES if _is_for_responses(line) else None


def _is_for_responses(line: Mapping[str, Any]) -> bool:
    """Return whether a line is for `/v1/responses`, by its url, or by `input` in the place of messages.

    A line without a body is one only with a `model`: rows of datasets have a column `input` as well.
    """
    url = line.get("url")
    if isinstance(url, str) and url.rstrip("/").endswith("/responses"):
        return True
    is_for_chat = url is None or (isinstance(url, str) and url.rstrip("/").endswith("/chat/completions"))
    body = line["body"] if _is_object(line, "body") else line
    has_input = isinstance(body.get("input"), str | list) and (body is not line or "model" in line)
    return is_for_chat and has_input and "messages" not in body


def _is_object(line: Mapping[str, Any], name: str) -> bool:
    return isinstance(line.get(name), dict)
