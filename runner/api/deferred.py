"""The deferred lane: submit a request, fetch its result later, once, within 24 hours.

Source: docs.x.ai, deferred chat completions.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from runner.api.client import XAIClient
    from runner.rules.replies.reply import Reply

SUBMIT: Final = "/chat/completions"
FETCH: Final = "/chat/deferred-completion/"
LIMIT_MAX: Final = 10**12  # a header with a larger number is ignored


async def submit(api: XAIClient, body: bytes, conv_id: str | None = None, name: str | None = None) -> Reply:
    """POST a body that has `"deferred": true`. `conv_id` sends equal prefixes to the cache of one server.

    `name` names the attempt for xAI's support, as their own SDK does; it makes nothing idempotent.
    Raises RequestFailed.
    """
    headers = {"x-grok-conv-id": conv_id, "x-client-request-id": name}
    return await api.post(SUBMIT, body, {header: value for header, value in headers.items() if value})


async def fetch(api: XAIClient, request_id: str) -> Reply:
    """GET a result. 200: the result, which can be fetched only once; 202: not ready. Raises RequestFailed."""
    return await api.get(FETCH + _quoted(request_id))


def announced_limits(reply: Reply) -> tuple[int | None, int | None]:
    """Return the limits of requests and tokens a minute in a reply's headers; None: absent or invalid."""
    return tuple(_limit(reply.headers.get(f"x-ratelimit-limit-{of}")) for of in ("requests", "tokens"))  # type: ignore[return-value]


@lru_cache(maxsize=64)  # most replies have the same headers
def _limit(text: str | None) -> int | None:
    text = (text or "").strip()
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(LIMIT_MAX)):
        return None
    return int(text) if 0 < int(text) <= LIMIT_MAX else None


def _quoted(request_id: str) -> str:
    """Return it as one path segment. The dot is quoted too, so that `..` does not leave the folder."""
    return quote(request_id.encode("utf-8", "surrogatepass"), safe="").replace(".", "%2E")
