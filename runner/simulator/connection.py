"""Server connection with a fast path: simple requests are answered at once, with one write each.

Requests are answered one after another, in order. The first request that is not simple hands the connection
over to aiohttp, permanently.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from aiohttp.tcp_helpers import tcp_keepalive

from runner.simulator import raw_http
from runner.simulator.api import BOOKS
from runner.simulator.fast_path import SIMPLE_BODY_BYTES_MAX, parse_simple
from runner.simulator.replies import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.simulator.delayed import DelayedReply
    from runner.simulator.server_state import ServerState

UNPARSED_BYTES_MAX = 2 * SIMPLE_BODY_BYTES_MAX


class Connection(asyncio.BufferedProtocol):
    """One connection, in `connections` while it is open. `make_fallback` makes aiohttp's protocol."""

    def __init__(
        self,
        state: ServerState,
        connections: set[Connection],
        make_fallback: Callable[[], asyncio.Protocol],
    ) -> None:
        self._state = state
        self._connections = connections
        self._make_fallback = make_fallback
        self._unparsed = b""  # an incomplete request, or requests that wait for a reply
        self._is_write_paused = False  # the client has not read what was written
        self._slow_reply: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the open connection."""
        self._transport = cast("asyncio.Transport", transport)
        tcp_keepalive(self._transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the cause does not matter
        """Remove the connection, unless a reply under way does so at its end."""
        if self._slow_reply is None:
            self._connections.discard(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - it is large enough
        """Return the shared read buffer."""
        return self._state.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Copy the received bytes and answer what is complete; stop reading when too much waits."""
        received = self._state.read_buffer[:nbytes]
        self._unparsed = self._unparsed + received if self._unparsed else bytes(received)
        self._serve()
        if len(self._unparsed) > UNPARSED_BYTES_MAX:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read its replies."""
        self._is_write_paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Answer the requests that waited."""
        self._is_write_paused = False
        self._resume()

    async def close(self) -> None:
        """Close the connection and cancel a reply that is under way."""
        self._transport.close()
        if self._slow_reply is not None:
            self._slow_reply.cancel()
            await asyncio.wait([self._slow_reply])

    def _serve(self) -> None:
        """Answer received requests until one is incomplete or a reply takes time."""
        while self._unparsed and self._slow_reply is None and not self._is_write_paused:
            parsed = parse_simple(self._unparsed)
            if parsed is None or parsed[0].path == BOOKS:
                self._hand_over()
                return
            request, end = parsed
            if end > len(self._unparsed):
                return
            self._unparsed = self._unparsed[end:]
            reply = self._state.handle(request)
            if isinstance(reply, Reply) and reply.delivery == "send":
                self._write(reply)
            else:
                self._slow_reply = asyncio.get_running_loop().create_task(self._reply_slowly(reply))

    def _resume(self) -> None:
        if not self._transport.is_closing() and not self._is_write_paused:
            self._transport.resume_reading()
            self._serve()

    def _write(self, reply: Reply) -> None:
        self._transport.write(raw_http.encode_head(reply, self._state.next_id()) + reply.body)

    async def _reply_slowly(self, pending: Reply | DelayedReply) -> None:
        """Send a reply that takes time or breaks the delivery, then serve what came in meanwhile."""
        try:
            reply = pending if isinstance(pending, Reply) else await pending()
            if reply.delivery == "send":
                self._write(reply)
            else:
                request_id = self._state.next_id()
                await raw_http.send_broken(self._transport, reply, request_id, hang_s=self._state.hang_s)
            self._slow_reply = None
            self._resume()
        except BaseException:
            self._slow_reply = None
            self._transport.abort()  # the client must not wait for a reply that will not come
            raise
        finally:
            if self._transport.is_closing():
                self._connections.discard(self)

    def _hand_over(self) -> None:
        """Make aiohttp the protocol of this connection and pass on the bytes that are left."""
        self._connections.discard(self)
        protocol = self._make_fallback()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        unparsed, self._unparsed = self._unparsed, b""
        protocol.data_received(unparsed)
