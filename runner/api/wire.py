"""The wire: single HTTP/1.1 exchanges on the connections of aiohttp's pool.

aiohttp finds, opens, encrypts and keeps the connections, and parses what comes in. Its sessions, requests and
responses are left out: they serve every need there is, and cost as much as the rest of a job's work
(docs/decisions/0020).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.http import HttpProcessingError
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

# A TimeoutError is an OSError.
TROUBLES: Final = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError)
_AT_ONCE_BYTES: Final = 128 * 1024  # larger bodies go piece by piece, so that none is held twice
_SWITCHED: Final = 101


class Exchanged(NamedTuple):
    """A whole reply; `body` None: it was longer than allowed, and nothing of it is kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


class Wire:
    """Open it on the loop that will use it. `proxy`: an address that may carry TLS for it."""

    def __init__(
        self, url: URL, *, proxy: str | None, connections: int, connect_timeout_s: float, timeout_s: float
    ) -> None:
        self._connector = aiohttp.TCPConnector(limit=connections, limit_per_host=connections)
        # Never sent: it tells the connector where to, and as whom to greet a proxy.
        self._where = ClientRequest(
            "GET", url, loop=asyncio.get_running_loop(), proxy=URL(proxy) if proxy else None
        )
        self._host = self._where.headers["Host"]
        self._connecting = aiohttp.ClientTimeout(connect=connect_timeout_s, sock_connect=connect_timeout_s)
        self._timeout_s = timeout_s

    async def close(self) -> None:
        """Close every connection."""
        await self._connector.close()

    async def exchange(
        self,
        method: str,
        target: str,
        headers: str,
        body: bytes | None,
        *,
        body_bytes_max: int,
        sending: Callable[[], None],
        replying: Callable[[], None],
    ) -> Exchanged:
        """Send once, read whole. Raises one of TROUBLES.

        `headers`: whole lines, each with its end. Calls `sending` right before the first byte may leave,
        `replying` when the reply's head is in.
        """
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        head = f"{method} {target} HTTP/1.1\r\nHost: {self._host}\r\n{headers}{length}\r\n".encode()
        connection = await self._connect()
        deadline = _Deadline(connection, self._timeout_s)
        try:
            sending()
            exchanged = await self._on(connection, head, body, body_bytes_max, replying)
        except BaseException as error:
            connection.close()
            if deadline.has_passed and isinstance(error, aiohttp.ClientError):
                raise TimeoutError from error
            raise
        finally:
            deadline.cancel()
        if deadline.has_passed:  # a body that only the end of the connection ends looks whole then
            connection.close()
            raise TimeoutError
        if exchanged.body is None:
            connection.close()
        else:
            connection.release()
        return exchanged

    async def _connect(self) -> Connection:
        try:
            return await self._connector.connect(self._where, [], self._connecting)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError("no connection in time") from error

    async def _on(
        self,
        connection: Connection,
        head: bytes,
        body: bytes | None,
        body_bytes_max: int,
        replying: Callable[[], None],
    ) -> Exchanged:
        protocol = connection.protocol
        if protocol is None or protocol.transport is None:
            raise aiohttp.ClientConnectionError("the connection is closed")
        protocol.set_response_params(read_until_eof=True)
        sending: asyncio.Task[None] | None = None
        if body is None or len(body) <= _AT_ONCE_BYTES:
            protocol.transport.write(head + body if body else head)
        else:
            protocol.transport.write(head)
            sending = asyncio.get_running_loop().create_task(_send(protocol, body))
        try:
            message, payload = await protocol.read()
            while 100 <= message.code < 200 and message.code != _SWITCHED:
                message, payload = await protocol.read()
            replying()
            pieces, size = [], 0
            while piece := await payload.readany():
                size += len(piece)
                if size > body_bytes_max:
                    return Exchanged(message.code, message.headers, None)
                pieces.append(piece)
        finally:
            if sending is not None:
                if not sending.done():  # it answered before it had heard everything
                    protocol.force_close()
                sending.cancel()
        return Exchanged(message.code, message.headers, b"".join(pieces))


class _Deadline:
    """Breaks a connection off when its time is over. One timer: `asyncio.timeout` costs several."""

    __slots__ = ("_connection", "_timer", "has_passed")

    def __init__(self, connection: Connection, after_s: float) -> None:
        self.has_passed = False
        self._connection = connection
        self._timer = asyncio.get_running_loop().call_later(after_s, self._pass)

    def _pass(self) -> None:
        self.has_passed = True
        if self._connection.transport is not None:
            self._connection.transport.abort()

    def cancel(self) -> None:
        self._timer.cancel()


async def _send(protocol: ResponseHandler, body: bytes) -> None:
    """Write a long body as fast as the network takes it. What breaks here breaks the reading, too."""
    view = memoryview(body)
    with suppress(OSError, aiohttp.ClientError):
        for at in range(0, len(view), _AT_ONCE_BYTES):
            if protocol.transport is None:
                return
            protocol.transport.write(view[at : at + _AT_ONCE_BYTES])
            await protocol._drain_helper()  # noqa: SLF001 - the protocol's only word for backpressure
