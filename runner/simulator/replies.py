"""Replies as values: bodies and headers of xAI. The server writes them to the socket."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import orjson

if TYPE_CHECKING:
    from runner.simulator.models import Model
    from runner.simulator.usage import Usage

Delivery = Literal["send", "cut", "wrong_length", "reset", "hang"]
JSON = {"content-type": "application/json"}
LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>Hotel WiFi login</title></head><body>Room?</body></html>"
BOM = b"\xef\xbb\xbf"
GARBAGE = b'{"id":"\xff\xfe<html>upstream connect error</html>'


@dataclass(slots=True, kw_only=True)
class Reply:
    """An HTTP reply."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delivery: Delivery = "send"  # whole, cut, whole with a larger length, reset, or no byte and then a reset


class Refusal(Exception):  # noqa: N818 - the request is refused, the simulator is fine
    """A refused request: the API replies with an error body."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or {}

    def reply(self) -> Reply:
        """Return the reply with the error body {"code", "error"}."""
        body = orjson.dumps({"code": self.code, "error": str(self)})
        return Reply(status=self.status, body=body, headers=JSON | self.headers)


class HtmlRefusal(Refusal):
    """A refusal by a proxy in front of the API: an HTML page, not an error body."""

    def reply(self) -> Reply:
        """Return the reply with an HTML page."""
        body = f"<!DOCTYPE html><html><head><title>api.x.ai | {self.status}: {self}</title></head></html>"
        return Reply(status=self.status, body=body.encode(), headers={"content-type": "text/html"})


def login_page() -> Reply:
    """Return the login page of a network."""
    return Reply(body=LOGIN_PAGE, headers={"content-type": "text/html"})


def not_the_result(kind: str, result: bytes) -> Reply:
    """Return what a proxy sends instead of a result, by the kind of fault."""
    match kind:
        case "empty200":
            return Reply(headers=JSON)
        case "html200":
            return login_page()
        case "trunc200":
            return Reply(body=result[: len(result) // 2], headers=JSON)
        case "err200":
            return json_reply({"error": {"message": "upstream connect error", "code": 503}})
        case _:
            return json_reply({"status": "pending"})


class CaptivePage(Refusal):
    """A request that never reached the API: a network answers it with its login page, and 200."""

    def __init__(self) -> None:
        super().__init__(200, "", "the login page of a network")

    def reply(self) -> Reply:
        """Return the page."""
        return login_page()


def json_reply(value: Any, headers: dict[str, str] | None = None) -> Reply:
    """Return a 200 with the value as JSON."""
    return Reply(body=orjson.dumps(value), headers=JSON | headers if headers else JSON)


def completion(
    *,
    completion_id: str,
    created: int,
    model: Model,
    fingerprint: str,
    choices: bytes,
    usage: Usage,
    ticks: bool,
) -> bytes:
    """Return a chat.completion as JSON. Without `ticks` it has no cost field, as replies before 2026."""
    cost = b',"cost_in_usd_ticks":%d' % usage.ticks if ticks else b""
    return (
        b'{"id":"%b","object":"chat.completion","created":%d,"model":"%b","choices":%b,'
        b'"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,'
        b'"prompt_tokens_details":{"text_tokens":%d,"audio_tokens":0,"image_tokens":%d,"cached_tokens":%d},'
        b'"completion_tokens_details":{"reasoning_tokens":%d,"audio_tokens":0,'
        b'"accepted_prediction_tokens":0,"rejected_prediction_tokens":0},'
        b'"num_sources_used":0%b},"system_fingerprint":%b}'
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
        orjson.dumps(fingerprint),
    )
