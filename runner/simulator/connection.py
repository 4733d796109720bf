"""The quick door: plain requests are answered as they come in, by one write each.

It answers one after another, as they stand on the connection. At the first request that is not plain the
connection becomes aiohttp's, for good.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from aiohttp.tcp_helpers import tcp_keepalive

from runner.simulator import sending
from runner.simulator.api import BOOKS
from runner.simulator.heads import PLAIN_BYTES_MAX, plain
from runner.simulator.replies import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.simulator.desk import Desk
    from runner.simulator.later import Later

HELD_BYTES_MAX = 2 * PLAIN_BYTES_MAX


class Connection(asyncio.BufferedProtocol):
    """One connection. `others` are the open ones; `hand_over` makes the protocol of its rest."""

    def __init__(
        self, desk: Desk, others: set[Connection], hand_over: Callable[[], asyncio.Protocol]
    ) -> None:
        self._desk, self._room = desk, desk.room
        self._others = others
        self._hand_over = hand_over
        self._held = b""  # a request that is not whole, or what has to wait
        self._full = False  # the client has not read what was written
        self._working: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        tcp_keepalive(self._transport)
        self._others.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - however it came about
        if self._working is None:
            self._others.discard(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - it is large enough
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        piece = self._room[:nbytes]
        self._held = self._held + piece if self._held else bytes(piece)
        self._serve()
        if len(self._held) > HELD_BYTES_MAX:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """A client that does not read is not listened to either."""
        self._full = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._full = False
        self._go_on()

    async def close(self) -> None:
        """Ends it at once, and whatever is under way on it."""
        self._transport.close()
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait([self._working])

    def _serve(self) -> None:
        """Answers what is there, until a reply takes its time or a request is not whole."""
        while self._held and self._working is None and not self._full:
            found = plain(self._held)
            if found is None or found[0].path == BOOKS:
                self._leave()
                return
            request, end = found
            if end > len(self._held):
                return
            self._held = self._held[end:]
            reply = self._desk.answer(request)
            if isinstance(reply, Reply) and reply.act == "send":
                self._write(reply)
            else:
                self._working = asyncio.get_running_loop().create_task(self._work(reply))

    def _go_on(self) -> None:
        if not self._transport.is_closing() and not self._full:
            self._transport.resume_reading()
            self._serve()

    def _write(self, reply: Reply) -> None:
        self._transport.write(sending.head(reply, self._desk.next_id()) + reply.body)

    async def _work(self, found: Reply | Later) -> None:
        """Sees a reply through that takes its time or ends badly; then goes on with what came since."""
        try:
            reply = found if isinstance(found, Reply) else await found()
            if reply.act == "send":
                self._write(reply)
            else:
                request_id = self._desk.next_id()
                await sending.end_badly(self._transport, reply, request_id, hang_s=self._desk.hang_s)
            self._working = None
            self._go_on()
        except BaseException:
            self._working = None
            self._transport.abort()  # nobody shall wait for what does not come
            raise
        finally:
            if self._transport.is_closing():
                self._others.discard(self)

    def _leave(self) -> None:
        self._others.discard(self)
        protocol = self._hand_over()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        rest, self._held = self._held, b""
        protocol.data_received(rest)
