"""The simulator's server: aiohttp's, on a TCP port, for all connections."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from aiohttp import web

from runner.simulator.api import Api
from runner.simulator.http_handler import HttpHandler
from runner.simulator.server_state import ServerState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.simulator.chat import Clock
    from runner.simulator.options import Options

BACKLOG = 1024
SHUTDOWN_S = 0.01  # for replies that a client does not read; aiohttp waits for ever with 0


class SimulatorServer:
    """A simulator on a TCP port. Made in a running event loop."""

    def __init__(self, api: Api, options: Options) -> None:
        self._state = ServerState(api, hang_s=options.hang_s)
        self._handler = HttpHandler(self._state)
        self._http = web.Server(self._handler)
        self._listener: asyncio.Server | None = None
        self.host, self.port = options.host, options.port

    @property
    def url(self) -> str:
        """Return the base URL for a client."""
        return f"http://{self.host}:{self.port}/v1"

    async def listen(self) -> None:
        """Bind the port. Raise OSError if it is taken."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._http, self.host, self.port, backlog=BACKLOG)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Close the port and all connections; replies under way are cancelled."""
        if self._listener is not None:
            self._listener.close()
        await self._handler.cancel()
        await self._http.shutdown(SHUTDOWN_S)

    def books_json(self, *, jobs: bool) -> Iterator[bytes]:
        """Yield the books as JSON in chunks."""
        return self._state.books_json(jobs=jobs)


async def serve(options: Options, clock: Clock = time.monotonic) -> SimulatorServer:
    """Start a simulator in this event loop. Tests pass a `clock` so that they need not wait."""
    server = SimulatorServer(Api(options, clock), options)
    await server.listen()
    return server
