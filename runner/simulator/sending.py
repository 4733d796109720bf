"""Replies as bytes, and the bad ends a connection may come to: cut, reset, silence."""

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


def head(reply: Reply, request_id: str) -> bytes:
    """The head of a reply whose connection goes on, as aiohttp would write it."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in reply.headers.items()])
    return (
        f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, '')}\r\n{lines}x-request-id: {request_id}\r\n"
        f"Content-Length: {len(reply.body)}\r\nDate: {rfc822_formatted_time()}\r\n"
        f"Server: {SERVER_SOFTWARE}\r\n\r\n"
    ).encode()


async def end_badly(transport: asyncio.Transport, reply: Reply, request_id: str, *, hang_s: float) -> None:
    """Half of the reply and no more; or a reset, maybe after a silence."""
    if reply.act == "cut":
        transport.write(head(reply, request_id) + reply.body[: len(reply.body) // 2])
        transport.close()
        return
    if reply.act == "hang":
        await asyncio.sleep(hang_s)
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()
