"""What goes out: xAI's bodies and headers as values. Writing them to a socket is the server's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import orjson

if TYPE_CHECKING:
    from runner.simulator.models import Model
    from runner.simulator.usage import Usage

Act = Literal["send", "cut", "reset", "hang"]
JSON = {"content-type": "application/json"}
GARBAGE = b'{"id":"\xff\xfe<html>upstream connect error</html>'


@dataclass(slots=True, kw_only=True)
class Reply:
    """`act` says how it ends: sent whole, cut midway, connection reset, or silence and then a reset."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    act: Act = "send"


class Refusal(Exception):  # noqa: N818 - it refuses a request, nothing here has gone wrong
    """A request the API answers with an error body."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or {}

    def reply(self) -> Reply:
        body = orjson.dumps({"code": self.code, "error": str(self)})
        return Reply(status=self.status, body=body, headers=JSON | self.headers)


class Page(Refusal):
    """A refusal by what stands before the API: a page of HTML, not an error body."""

    def reply(self) -> Reply:
        body = f"<!DOCTYPE html><html><head><title>api.x.ai | {self.status}: {self}</title></head></html>"
        return Reply(status=self.status, body=body.encode(), headers={"content-type": "text/html"})


def json_reply(value: Any, headers: dict[str, str] | None = None) -> Reply:
    return Reply(body=orjson.dumps(value), headers=JSON | headers if headers else JSON)


def completion(
    *, completion_id: str, created: int, model: Model, choices: bytes, usage: Usage, ticks: bool
) -> bytes:
    """A chat.completion. Without `ticks` it lacks the cost, as replies before 2026 did."""
    cost = b',"cost_in_usd_ticks":%d' % usage.ticks if ticks else b""
    return (
        b'{"id":"%b","object":"chat.completion","created":%d,"model":"%b","choices":%b,'
        b'"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,'
        b'"prompt_tokens_details":{"text_tokens":%d,"audio_tokens":0,"image_tokens":%d,"cached_tokens":%d},'
        b'"completion_tokens_details":{"reasoning_tokens":%d,"audio_tokens":0,'
        b'"accepted_prediction_tokens":0,"rejected_prediction_tokens":0},'
        b'"num_sources_used":0%b},"system_fingerprint":"%b"}'
    ) % (
        completion_id.encode(),
        created,
        model.id.encode(),
        choices,
        usage.prompt,
        usage.completion,
        usage.total,
        usage.text,
        usage.image,
        usage.cached,
        usage.reasoning,
        cost,
        model.fingerprint.encode(),
    )
