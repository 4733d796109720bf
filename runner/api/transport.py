"""HTTP/1.1 transport: one request and its reply, by a session of aiohttp with documented options only.

A session sends a GET again by itself when the connection breaks, and has no option against that. Here a
middleware refuses the second attempt (docs/decisions/0062).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import aiohttp

from runner.rules.json_text.answer_json import is_whole_object
from runner.rules.replies.reply import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, StreamReader
    from yarl import URL

    from runner.rules.servers.proxy import Proxy

_PIECE_BYTES: Final = 128 * 1024  # larger bodies are written in pieces, so that none is in memory twice
_LINE_END: Final = re.compile("[\r\n\0]")
_NOT_SENT: Final = (  # documented as errors of opening a connection; every other error may come later
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
)


class RawReply(NamedTuple):
    """A whole reply; `body` None: it was longer than allowed, and was dropped."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


class ExchangeError(Exception):
    """No whole reply. `fault`: how far the request got (NOT_SENT, UNKNOWN or CUT); `cause`: the error."""

    def __init__(self, fault: Fault, cause: Exception) -> None:
        super().__init__(fault, cause)
        self.fault = fault
        self.cause = cause


class Transport:
    """Pooled connections of one event loop. `headers` are sent with each request.

    `proxy` carries TLS connections. `connect_timeout_s` includes the wait for a free connection, `timeout_s`
    all from that wait to the reply's last byte. aiohttp rounds 5 s and more up to whole seconds.
    """

    def __init__(
        self,
        headers: Mapping[str, str],
        *,
        proxy: Proxy | None,
        connections: int,
        connect_timeout_s: float,
        timeout_s: float,
    ) -> None:
        self._headers = headers  # not the session's, which aiohttp sends to the proxy, too
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, limit_per_host=connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=proxy.url if proxy else None,
            timeout=aiohttp.ClientTimeout(
                total=timeout_s, connect=connect_timeout_s, sock_connect=connect_timeout_s
            ),
            trace_configs=[_watch_opening()] if proxy else None,
        )
        self._proxy_headers = _proxy_headers(proxy) if proxy and proxy.user else None

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def exchange(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, *, body_bytes_max: int
    ) -> RawReply:
        """Send a request once and return the whole reply. Raises ExchangeError.

        `body_bytes_max`: after decompression.
        """
        reply = await self._send(method, url, headers, body)
        try:
            received = await _read_body(reply.content, body_bytes_max)
        except Exception as error:
            raise ExchangeError(Fault.CUT, error) from error
        finally:
            if reply.content.at_eof():
                reply.release()
            else:
                reply.close()  # its connection is of no more use
        return RawReply(reply.status, reply.headers, received)

    async def _send(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None
    ) -> ClientResponse:
        """Return the head of the reply. Raises ExchangeError: NOT_SENT or UNKNOWN."""
        if _ends_a_line(headers):
            raise ExchangeError(Fault.NOT_SENT, ValueError("a header holds a line end"))
        if self._session.closed:
            raise ExchangeError(Fault.NOT_SENT, aiohttp.ClientConnectionError("the client is closed"))
        all_headers = {**self._headers, **headers}
        data: bytes | AsyncIterator[memoryview] | None = body
        if body is not None and len(body) > _PIECE_BYTES:
            data = _pieces(body)
            all_headers["Content-Length"] = str(len(body))
        opening = _Opening()
        try:
            return await self._session.request(
                method,
                url,
                data=data,
                headers=all_headers,
                allow_redirects=False,
                middlewares=(_OneAttempt(),),
                proxy_headers=self._proxy_headers,
                trace_request_ctx=opening,
            )
        except _NOT_SENT as error:
            raise ExchangeError(Fault.NOT_SENT, error) from error
        except Exception as error:
            fault = Fault.NOT_SENT if opening.is_under_way else Fault.UNKNOWN
            raise ExchangeError(fault, error) from error


class _OneAttempt:
    """Client middleware of one request: its first attempt is sent, every other refused.

    The session calls it for each attempt. It keeps nothing of the request, because aiohttp 4 caches it.
    """

    __slots__ = ("_is_used",)

    def __init__(self) -> None:
        self._is_used = False

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        if self._is_used:
            raise aiohttp.ClientConnectionError("the connection broke")
        self._is_used = True
        return await handler(request)


class _Opening:
    """Whether the connection for a request is being opened; then nothing of the request was sent."""

    __slots__ = ("is_under_way",)

    def __init__(self) -> None:
        self.is_under_way = False


def _watch_opening() -> aiohttp.TraceConfig:
    """Return what keeps the `_Opening` of each request up to date.

    Only with a proxy: one that hangs up raises the same errors as the API behind it.
    """

    async def begin(_session: aiohttp.ClientSession, context: Any, _params: object) -> None:
        context.trace_request_ctx.is_under_way = True

    async def end(_session: aiohttp.ClientSession, context: Any, _params: object) -> None:
        context.trace_request_ctx.is_under_way = False

    config = aiohttp.TraceConfig()
    config.on_connection_create_start.append(begin)
    config.on_connection_create_end.append(end)
    return config


def _proxy_headers(proxy: Proxy) -> dict[str, str]:
    return {"Proxy-Authorization": aiohttp.encode_basic_auth(proxy.user, proxy.password, "utf-8")}


def _ends_a_line(headers: Mapping[str, str]) -> bool:
    """Return whether a header has a line end or NUL in it."""
    return any(map(_LINE_END.search, headers)) or any(map(_LINE_END.search, headers.values()))


async def _pieces(body: bytes) -> AsyncIterator[memoryview]:
    view = memoryview(body)
    for at in range(0, len(view), _PIECE_BYTES):
        yield view[at : at + _PIECE_BYTES]


async def _read_body(content: StreamReader, bytes_max: int) -> bytes | None:
    """Return the whole body, None if it is longer than allowed. Raises aiohttp's error if it is cut."""
    pieces: list[bytes] = []
    size = 0
    try:
        while piece := await content.readany():
            size += len(piece)
            if size > bytes_max:
                return None
            pieces.append(piece)
    except Exception:
        if not is_whole_object(b"".join(pieces)):  # if it is, its length was wrong, but all of it is here
            raise
    return b"".join(pieces)
