"""A server of raw bytes: it says exactly what a test wants, and remembers what it heard."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    Answer = Callable[["Heard", asyncio.StreamWriter], Awaitable[None]]


class Heard(list[bytes]):
    """Every request, head and body, in order of arrival; `on` connections in all."""

    connections = 0
    url = ""


def response(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def saying(*pieces: bytes) -> Answer:
    async def answer(_heard: Heard, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return answer


@asynccontextmanager
async def serving(answer: Answer, secured: ssl.SSLContext | None = None) -> AsyncIterator[Heard]:
    """Answer every request; a connection ends when the answer closes it or the client does.

    `secured`: over TLS, though `url` says http.
    """
    heard = Heard()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(length[0].split(b":")[1])) if length else b""
                heard.append(head + body)
                await answer(heard, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=secured)
    heard.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield heard
