"""Plain requests, known by their bytes: what nearly all clients send, told apart without a parser's work.

A client writes the same headers above each of its requests. aiohttp's parser says once what a block of
headers means, and that is remembered. What is not plain is for aiohttp alone to judge.
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

PLAIN_BYTES_MAX = 256 * 1024  # of a body; longer ones are aiohttp's, which holds them in pieces
HEADS_KNOWN = 4096
HEAD_BYTES_MAX = 8 * 1024
_LINE = re.compile(rb"(GET|POST) (/[A-Za-z0-9/._-]*) HTTP/1\.1\r\n")
_END = b"\r\n\r\n"


class _Meaning(NamedTuple):
    method: str
    headers: Mapping[str, str]
    body_bytes: int


def plain(data: bytes) -> tuple[Request, int] | None:
    """The request that the data begins with, if its head is there and plain, and where it ends.

    Its body is on its way while that is beyond the end of the data.
    """
    line = _LINE.match(data)
    if line is None:
        return None
    body_at = data.find(_END, line.end() - 2) + 4
    if not 4 <= body_at <= HEAD_BYTES_MAX:
        return None
    meaning = _meaning(line[1], data[line.end() : body_at])
    if meaning is None:
        return None
    end = body_at + meaning.body_bytes
    return Request(meaning.method, line[2].decode(), meaning.headers, data[body_at:end]), end


@lru_cache(maxsize=HEADS_KNOWN)
def _meaning(method: bytes, block: bytes) -> _Meaning | None:
    """What the headers mean above a body of known length on a connection that goes on; None if not that."""
    if not block.isascii():
        return None
    message = _parsed(b"%b / HTTP/1.1\r\n%b" % (method, block))
    if message is None or message.should_close or message.upgrade or message.chunked or message.compression:
        return None
    headers: Mapping[str, str] = message.headers
    length = int(headers.get("Content-Length", "0"))  # the parser lets nothing but digits through
    if "Expect" in headers or length > PLAIN_BYTES_MAX or (length and method != b"POST"):
        return None
    return _Meaning(message.method, headers, length)


def _parsed(head: bytes) -> Any:
    """aiohttp's message of this head, if it ends with the last byte and not before."""
    loop = asyncio.get_running_loop()
    parser = HttpRequestParser(None, loop, PLAIN_BYTES_MAX)  # it never hears of a body
    try:
        early, _, _ = parser.feed_data(head[:-1])
        messages, _, _ = parser.feed_data(head[-1:])
    except HttpProcessingError:
        return None
    return messages[0][0] if not early and len(messages) == 1 else None
