"""The handler of aiohttp's server: a request from HTTP to the API, and its reply back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from runner.simulator.api import BOOKS, Request
from runner.simulator.broken_replies import send_broken
from runner.simulator.replies import JSON, Refusal, Reply

if TYPE_CHECKING:
    from runner.simulator.server_state import ServerState

BODY_BYTES_MAX = 64 * 2**20


class HttpHandler:
    """Answers the requests of all connections. A client that leaves does not cancel its request."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._running: set[asyncio.Task[Any]] = set()

    async def __call__(self, http: web.BaseRequest) -> web.StreamResponse:
        """Return the response, sent already where it is long or broken."""
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._running.add(task)
        try:
            return await self._respond(http)
        except ConnectionError:
            return web.StreamResponse()  # the client has left within its request or a long reply
        finally:
            self._running.discard(task)

    async def cancel(self) -> None:
        """Cancel the requests under way, also those of clients that have left."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _respond(self, http: web.BaseRequest) -> web.StreamResponse:
        malformed = getattr(http, "pre_handler_error", None)  # aiohttp 4 leaves its 400 to the handler
        if malformed is not None:
            raise malformed
        path, _, query = http.raw_path.partition("?")
        if path == BOOKS:
            return await self._send_books(http, jobs="jobs=1" in query)
        reply = await self._reply(http, path)
        headers = {**reply.headers, "x-request-id": self._state.next_id()}
        if reply.delivery == "send":
            return web.Response(status=reply.status, body=reply.body, headers=headers)
        return await send_broken(http, reply, headers, hang_s=self._state.hang_s)

    async def _reply(self, http: web.BaseRequest, path: str) -> Reply:
        try:
            body = await _read_body(http)
        except Refusal as refusal:
            return refusal.reply()
        result = self._state.handle(Request(http.method, path, http.headers, body))
        return result if isinstance(result, Reply) else await result()

    async def _send_books(self, http: web.BaseRequest, *, jobs: bool) -> web.StreamResponse:
        response = web.StreamResponse(headers=JSON)
        await response.prepare(http)
        for chunk in self._state.books_json(jobs=jobs):
            await response.write(chunk)
        await response.write_eof()
        return response


async def _read_body(http: web.BaseRequest) -> bytes:
    """Return the body, decompressed. Raise Refusal if it is too large; the rest of it is not read."""
    pieces, size = [], 0
    async for piece in http.content.iter_any():
        size += len(piece)
        if size > BODY_BYTES_MAX:
            raise Refusal(413, "invalid-argument", "The request body is too large.")
        pieces.append(piece)
    return b"".join(pieces)
