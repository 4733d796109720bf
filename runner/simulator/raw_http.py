"""Raw HTTP output: replies as bytes, and broken deliveries (cut, reset, hang)."""

from __future__ import annotations

import asyncio
import socket
import struct
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE

if TYPE_CHECKING:
    from runner.simulator.replies import Reply

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: closing sends RST instead of FIN
_REASONS = {status.value: status.phrase for status in HTTPStatus}


def encode_head(reply: Reply, request_id: str, extra_bytes: int = 0) -> bytes:
    """Return the status line and headers of a keep-alive reply, the same bytes that aiohttp writes.

    `extra_bytes`: how many bytes more than the body has its Content-Length names.
    """
    lines = "".join([f"{name}: {value}\r\n" for name, value in reply.headers.items()])
    return (
        f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, '')}\r\n{lines}x-request-id: {request_id}\r\n"
        f"Content-Length: {len(reply.body) + extra_bytes}\r\nDate: {rfc822_formatted_time()}\r\n"
        f"Server: {SERVER_SOFTWARE}\r\n\r\n"
    ).encode()


async def send_broken(transport: asyncio.Transport, reply: Reply, request_id: str, *, hang_s: float) -> None:
    """Break a delivery, and close or reset the connection (for `hang` after `hang_s`).

    `cut` sends half of the body, `wrong_length` all of it under a Content-Length that is too large.
    """
    if reply.delivery == "wrong_length":
        transport.write(encode_head(reply, request_id, extra_bytes=10) + reply.body)
        transport.close()
        return
    if reply.delivery == "cut":
        transport.write(encode_head(reply, request_id) + reply.body[: len(reply.body) // 2])
        transport.close()
        return
    if reply.delivery == "hang":
        await asyncio.sleep(hang_s)
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()
