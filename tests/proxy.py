"""A TCP proxy that breaks connections: refuses, resets, stalls or slows them, or drops new ones."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from types import TracebackType

ProxyMode = Literal["pass", "refuse", "reset", "silent", "slow"]


class Proxy:
    """Listens on a loopback port and forwards to one target; `set_mode` may be called from any thread.

    Modes: `refuse` closes new connections at once; `reset` also resets the open ones; `silent` forwards
    nothing in either direction and closes nothing; `slow` forwards 64 bytes every 50 ms. A connection that
    was silent once stays silent, like a broken network path; `pass` applies to connections made after it.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self._mode: ProxyMode = "pass"
        self._pairs: set[_Pair] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(120)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def set_mode(self, mode: ProxyMode) -> None:
        """Change the mode, for new and open connections."""
        asyncio.run_coroutine_threadsafe(self._apply_mode(mode), self._loop).result()

    async def _apply_mode(self, mode: ProxyMode) -> None:
        self._mode = mode
        for pair in list(self._pairs):
            if mode == "reset":
                pair.reset()
            pair.is_silent |= mode == "silent"
            pair.is_slow = mode == "slow"

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def _close(self) -> None:
        self._server.close()
        for pair in list(self._pairs):
            pair.reset()
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode in ("refuse", "reset"):
            _reset(writer)
            return
        try:
            inner = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
            return
        pair = _Pair((reader, writer), inner)
        pair.is_silent, pair.is_slow = self._mode == "silent", self._mode == "slow"
        self._pairs.add(pair)
        try:
            with contextlib.suppress(asyncio.CancelledError):  # when the proxy closes
                await pair.run()
        finally:
            self._pairs.discard(pair)


class _Pair:
    def __init__(
        self,
        outer: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        inner: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._outer, self._inner = outer, inner
        self.is_silent = self.is_slow = False

    async def run(self) -> None:
        directions = [
            asyncio.ensure_future(self._pipe(self._outer[0], self._inner[1])),
            asyncio.ensure_future(self._pipe(self._inner[0], self._outer[1])),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            for writer in (self._outer[1], self._inner[1]):
                writer.close()

    def reset(self) -> None:
        for writer in (self._outer[1], self._inner[1]):
            _reset(writer)

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(64 if self.is_slow else 65_536):
                await self._wait_if_silent()
                if self.is_slow:
                    await asyncio.sleep(0.05)
                writer.write(piece)
                await writer.drain()
        await self._wait_if_silent()

    async def _wait_if_silent(self) -> None:
        """Wait until the task is cancelled, if this connection is silent."""
        if self.is_silent:
            await asyncio.Event().wait()


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
