"""A server of raw bytes: it sends exactly what a test wants, and records the requests.

`play` runs a story in which a time limit passes, without waiting for it.
"""

from __future__ import annotations

import asyncio
import selectors
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    Answer = Callable[["Requests", asyncio.StreamWriter], Awaitable[None]]

IDLE_S: Final = 0.1  # when nothing came for so long, nothing is under way between the sockets of a process


class IdleClockLoop(asyncio.SelectorEventLoop):
    """Its time stands still while there is anything to do; when there is not, the next timer is due.

    So a busy machine changes nothing about what comes first: bytes, or the end of a time limit.
    """

    def __init__(self) -> None:
        self.now_s = 1_000.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.now_s


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: IdleClockLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        events = super().select(IDLE_S)
        if not events:
            self._loop.now_s += timeout
        return events


def play(story: Coroutine[Any, Any, None]) -> None:
    """Run a story whose client and server are both in it."""
    with asyncio.Runner(loop_factory=IdleClockLoop) as runner:
        runner.run(story)


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
