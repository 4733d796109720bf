"""A server of raw bytes: it sends exactly what a test wants, and records the requests."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    Answer = Callable[["Requests", asyncio.StreamWriter], Awaitable[None]]


class Requests(list[bytes]):
    """Every request, head and body, in order of arrival; the number of connections; the server's URL."""

    connections = 0
    url = ""


def response(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def sending(*pieces: bytes) -> Answer:
    async def answer(_requests: Requests, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return answer


@asynccontextmanager
async def serving(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Requests]:
    """Serve on a free port. A connection ends when `answer` or the client closes it.

    `tls`: serve over TLS, though `url` starts with http.
    """
    requests = Requests()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(length[0].split(b":")[1])) if length else b""
                requests.append(head + body)
                await answer(requests, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    requests.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield requests
