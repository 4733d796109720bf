"""HTTP/1.1 transport: one request and its reply, on a connection of aiohttp's pool.

aiohttp resolves names, opens, encrypts and pools the connections, and parses replies. Its sessions, requests
and responses are not used: they cost as much CPU as the rest of a job's work (docs/decisions/0020).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.http import HttpProcessingError
from yarl import URL

from runner.rules.answer_json import is_whole_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp import StreamReader
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.http_parser import RawResponseMessage

    from runner.rules.proxy import Proxy

# All that an exchange may raise. A TimeoutError is an OSError.
NETWORK_ERRORS: Final = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError)
_WRITE_BYTES_MAX: Final = 128 * 1024  # larger bodies are written in pieces, so that none is in memory twice
_SWITCHING_PROTOCOLS: Final = 101


class RawReply(NamedTuple):
    """A whole reply; `body` None: it was longer than allowed, and was dropped."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


class Transport:
    """Pooled connections to one server, of one event loop. `proxy` carries TLS connections."""

    def __init__(
        self, url: URL, *, proxy: Proxy | None, connections: int, connect_timeout_s: float, timeout_s: float
    ) -> None:
        self._connector = aiohttp.TCPConnector(limit=connections, limit_per_host=connections)
        # Never sent: names server and proxy for the connector.
        self._destination = ClientRequest(
            "GET",
            url,
            loop=asyncio.get_running_loop(),
            proxy=URL(proxy.url) if proxy else None,
            proxy_auth=aiohttp.BasicAuth(proxy.user, proxy.password, "utf-8")
            if proxy and proxy.user
            else None,
        )
        self._host = self._destination.headers["Host"]
        self._connect_timeout = aiohttp.ClientTimeout(
            connect=connect_timeout_s, sock_connect=connect_timeout_s
        )
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
        on_send: Callable[[], None],
        on_reply: Callable[[], None],
    ) -> RawReply:
        """Send a request once and return the whole reply. Raises one of NETWORK_ERRORS.

        `headers`: whole lines, each with its line end. `body_bytes_max`: after decompression. Calls `on_send`
        right before the first byte may leave, `on_reply` when the reply's head has arrived.
        """
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        head = f"{method} {target} HTTP/1.1\r\nHost: {self._host}\r\n{headers}{length}\r\n".encode()
        connection = await self._connect()
        deadline = _Deadline(connection, self._timeout_s)
        try:
            on_send()
            reply = await self._exchange_on(connection, head, body, body_bytes_max, on_reply)
        except BaseException as error:
            connection.close()
            if deadline.has_passed and isinstance(error, aiohttp.ClientError):
                raise TimeoutError from error
            raise
        finally:
            deadline.cancel()
        if deadline.has_passed and not (reply.body and is_whole_object(reply.body)):
            connection.close()  # a body without a length ends with its connection: this one looks whole
            raise TimeoutError
        if reply.body is None:
            connection.close()
        else:
            connection.release()
        return reply

    async def _connect(self) -> Connection:
        try:
            return await self._connector.connect(self._destination, [], self._connect_timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError("no connection in time") from error

    async def _exchange_on(
        self,
        connection: Connection,
        head: bytes,
        body: bytes | None,
        body_bytes_max: int,
        on_reply: Callable[[], None],
    ) -> RawReply:
        protocol = connection.protocol
        if protocol is None or protocol.transport is None:
            raise aiohttp.ClientConnectionError("the connection is closed")
        protocol.set_response_params(read_until_eof=True)
        body_task = _write_request(protocol, protocol.transport, head, body)
        try:
            message, payload = await _read_head(protocol)
            on_reply()
            received = await _read_body(protocol, payload, body_bytes_max)
        finally:
            if body_task is not None:
                if not body_task.done():  # the server replied before it had read the whole body
                    protocol.force_close()
                body_task.cancel()
        return RawReply(message.code, message.headers, received)


class _Deadline:
    """Aborts a connection after `after_s` seconds. One timer, which is cheaper than `asyncio.timeout`."""

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


def _write_request(
    protocol: ResponseHandler, transport: asyncio.WriteTransport, head: bytes, body: bytes | None
) -> asyncio.Task[None] | None:
    """Write a request; return the task that still writes its body if that is a long one."""
    if body is None or len(body) <= _WRITE_BYTES_MAX:
        transport.write(head + body if body else head)
        return None
    transport.write(head)
    return asyncio.get_running_loop().create_task(_write_body(protocol, body))


async def _read_head(protocol: ResponseHandler) -> tuple[RawResponseMessage, StreamReader]:
    """Return the head of the final reply, and its body, unread; interim replies (1xx) are skipped."""
    message, payload = await protocol.read()
    while 100 <= message.code < 200 and message.code != _SWITCHING_PROTOCOLS:
        message, payload = await protocol.read()
    return message, payload


async def _read_body(protocol: ResponseHandler, payload: StreamReader, bytes_max: int) -> bytes | None:
    """Return the whole body, None if it is longer than allowed. Raises one of NETWORK_ERRORS if it is cut."""
    pieces: list[bytes] = []
    size = 0
    try:
        while piece := await payload.readany():
            size += len(piece)
            if size > bytes_max:
                return None
            pieces.append(piece)
    except NETWORK_ERRORS:
        if not is_whole_object(b"".join(pieces)):
            raise
        protocol.force_close()  # its length was wrong, but all of it is here
    return b"".join(pieces)


async def _write_body(protocol: ResponseHandler, body: bytes) -> None:
    """Write a long body in pieces, with backpressure. Its errors are ignored: reading raises them too."""
    view = memoryview(body)
    with suppress(OSError, aiohttp.ClientError):
        for at in range(0, len(view), _WRITE_BYTES_MAX):
            if protocol.transport is None:
                return
            protocol.transport.write(view[at : at + _WRITE_BYTES_MAX])
            await protocol._drain_helper()  # noqa: SLF001 - the protocol has no public method for backpressure
