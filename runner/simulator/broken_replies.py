"""Deliveries that break: a body that is cut or shorter than announced, a reset, a hang."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.simulator.replies import Reply

BYTES_MISSING = 10  # of a body with the wrong length
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: closing sends RST instead of FIN


async def send_broken(
    http: web.BaseRequest, reply: Reply, headers: Mapping[str, str], *, hang_s: float
) -> web.StreamResponse:
    """Break a delivery. Return the response; aiohttp closes its connection. `hang` waits `hang_s` first.

    `cut` sends half of the body, `wrong_length` all of it under a Content-Length that is too large.
    """
    body = reply.body
    if reply.delivery == "cut":
        return await _send_part(http, reply.status, headers, body[: len(body) // 2], announced=len(body))
    if reply.delivery == "wrong_length":
        return await _send_part(http, reply.status, headers, body, announced=len(body) + BYTES_MISSING)
    if reply.delivery == "hang":
        await asyncio.sleep(hang_s)
    _reset(http.transport)
    return web.StreamResponse()  # it is not sent: the connection is gone


async def _send_part(
    http: web.BaseRequest, status: int, headers: Mapping[str, str], part: bytes, *, announced: int
) -> web.StreamResponse:
    """Send a head that announces more bytes than follow."""
    response = web.StreamResponse(status=status, headers={**headers, hdrs.CONTENT_LENGTH: str(announced)})
    await response.prepare(http)
    await response.write(part)
    response.force_close()  # not before the head is sent: it would say so
    return response


def _reset(transport: asyncio.Transport | None) -> None:
    """Reset a connection, unless the client has closed it."""
    if transport is None:
        return
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()
