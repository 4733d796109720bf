"""A proxy that breaks what goes through it: refused, reset, silent, slow, cut off in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from types import TracebackType

Mood = Literal["pass", "refuse", "reset", "silent", "slow"]


class Proxy:
    """Listens on a port of the loopback for one target; moods may be changed at any time from any thread.

    `refuse` closes new connections at once, `reset` also ends the old ones with a reset, `silent` lets
    nothing through either way and ends nothing, `slow` lets a few bytes a moment through. A connection that
    was once silent stays so, as a broken path does; `pass` is for those made from then on.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self._mood: Mood = "pass"
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
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def be(self, mood: Mood) -> None:
        """Change the mood."""
        asyncio.run_coroutine_threadsafe(self._be(mood), self._loop).result()

    async def _be(self, mood: Mood) -> None:
        self._mood = mood
        for pair in list(self._pairs):
            if mood == "reset":
                pair.reset()
            pair.is_silent |= mood == "silent"
            pair.is_slow = mood == "slow"

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._take, "127.0.0.1", 0)

    async def _close(self) -> None:
        self._server.close()
        for pair in list(self._pairs):
            pair.reset()
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.sleep(0)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mood in ("refuse", "reset"):
            _reset(writer)
            return
        try:
            inner = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
            return
        pair = _Pair((reader, writer), inner)
        pair.is_silent, pair.is_slow = self._mood == "silent", self._mood == "slow"
        self._pairs.add(pair)
        try:
            with contextlib.suppress(asyncio.CancelledError):  # at the end of all
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
        ways = [
            asyncio.ensure_future(self._pipe(self._outer[0], self._inner[1])),
            asyncio.ensure_future(self._pipe(self._inner[0], self._outer[1])),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for writer in (self._outer[1], self._inner[1]):
                writer.close()

    def reset(self) -> None:
        for writer in (self._outer[1], self._inner[1]):
            _reset(writer)

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(64 if self.is_slow else 65_536):
                await self._hold()
                if self.is_slow:
                    await asyncio.sleep(0.05)
                writer.write(piece)
                await writer.drain()
        await self._hold()

    async def _hold(self) -> None:
        """Stay silent for ever, once that has begun."""
        if self.is_silent:
            await asyncio.Event().wait()


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
