"""Fast path request parsing: simple requests, which nearly all clients send, are recognized by their bytes.

A client repeats the same headers in each request. aiohttp's parser reads a block of headers once and the
result is cached. Every other request goes to aiohttp.
"""

from __future__ import annotations

import asyncio
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser

from runner.simulator.api import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

SIMPLE_BODY_BYTES_MAX = 256 * 1024  # longer bodies go to aiohttp, which keeps them in pieces
HEADERS_CACHED_MAX = 4096
HEAD_BYTES_MAX = 8 * 1024
_LINE = re.compile(rb"(GET|POST) (/[A-Za-z0-9/._-]*) HTTP/1\.1\r\n")
_END = b"\r\n\r\n"


class _Head(NamedTuple):
    method: str
    headers: Mapping[str, str]
    body_bytes: int


def parse_simple(data: bytes) -> tuple[Request, int] | None:
    """Return the request at the start of the data and its end offset; None if it is incomplete or not simple.

    The body is incomplete if the end offset is beyond the data.
    """
    line = _LINE.match(data)
    if line is None:
        return None
    body_at = data.find(_END, line.end() - 2) + 4
    if not 4 <= body_at <= HEAD_BYTES_MAX:
        return None
    head = _parse_headers(line[1], data[line.end() : body_at])
    if head is None:
        return None
    end = body_at + head.body_bytes
    return Request(head.method, line[2].decode(), head.headers, data[body_at:end]), end


@lru_cache(maxsize=HEADERS_CACHED_MAX)
def _parse_headers(method: bytes, block: bytes) -> _Head | None:
    """Return the parsed headers of a keep-alive request with a known body length, else None."""
    if not block.isascii():
        return None
    message = _parse_with_aiohttp(b"%b / HTTP/1.1\r\n%b" % (method, block))
    if message is None or not _is_plain(message):
        return None
    headers: Mapping[str, str] = message.headers
    length = int(headers.get("Content-Length", "0"))  # the parser accepts digits only
    if "Expect" in headers or length > SIMPLE_BODY_BYTES_MAX or (length and method != b"POST"):
        return None
    return _Head(message.method, headers, length)


def _is_plain(message: Any) -> bool:
    """Return whether a connection stays open and as it is, and a body comes as one piece of known length."""
    return not (message.should_close or message.upgrade or message.chunked or message.compression)


def _parse_with_aiohttp(head: bytes) -> Any:
    """Return aiohttp's message if the head is complete with its last byte and not before, else None."""
    loop = asyncio.get_running_loop()
    parser = HttpRequestParser(None, loop, SIMPLE_BODY_BYTES_MAX)  # it gets no body
    try:
        early, _, _ = parser.feed_data(head[:-1])
        messages, _, _ = parser.feed_data(head[-1:])
    except HttpProcessingError:
        return None
    return messages[0][0] if not early and len(messages) == 1 else None
