"""A simulator that listens: each connection comes in by the quick door, and may go on to aiohttp's."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import orjson

from runner.simulator.api import Api
from runner.simulator.connection import Connection
from runner.simulator.desk import Desk
from runner.simulator.web import web_door

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.simulator.chat import Clock
    from runner.simulator.options import Options

BACKLOG = 1024
PATIENCE_S = 0.01  # with aiohttp's requests under way when it closes; it takes 0 for no end


class Running:
    """A simulator that listens. `url` is the base URL for a client; `close` ends it at once."""

    def __init__(self, api: Api, options: Options) -> None:
        self._desk = Desk(api, hang_s=options.hang_s)
        self._web = web_door(self._desk)
        self._connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self.host, self.port = options.host, options.port

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/v1"

    async def listen(self) -> None:
        """Binds the port; OSError if it is taken."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._connection, self.host, self.port, backlog=BACKLOG)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        await asyncio.gather(*[connection.close() for connection in self._connections])
        await self._web.shutdown(PATIENCE_S)

    def books(self, *, jobs: bool = False) -> dict[str, Any]:
        """The ledger as it stands."""
        ledger: dict[str, Any] = orjson.loads(b"".join(self.books_json(jobs=jobs)))
        return ledger

    def books_json(self, *, jobs: bool) -> Iterator[bytes]:
        """The ledger in pieces."""
        return self._desk.books_json(jobs=jobs)

    def _connection(self) -> Connection:
        return Connection(self._desk, self._connections, self._web)


async def serve(options: Options, clock: Clock = time.monotonic) -> Running:
    """Starts a simulator in this event loop. `clock` is for tests that cannot wait a minute or a day."""
    running = Running(Api(options, clock), options)
    await running.listen()
    return running
