"""The HTTP door: sockets on one side, the API on the other. Cuts, resets and silences happen here."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import hdrs
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse
from aiohttp.web_server import Server

from runner.simulator.api import Api, Request
from runner.simulator.ids import Ids
from runner.simulator.replies import Refusal, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.simulator.chat import Clock
    from runner.simulator.options import Options

BODY_BYTES_MAX = 64 * 2**20
BACKLOG = 1024
BOOKS = "/_books"
JOBS_A_CHUNK = 500
PATIENCE_S = 0.01  # with requests under way when it closes; aiohttp takes 0 for no end
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: closing sends RST instead of FIN


class Running:
    """A simulator that listens. `url` is the base URL for a client; `close` ends it at once."""

    def __init__(self, api: Api, options: Options) -> None:
        self._api = api
        self._hang_s = options.hang_s
        self._request_ids, self._served = Ids(), 0
        self._web = Server(self._handle, request_factory=_request, access_log=None)
        self._listener: asyncio.Server | None = None
        self.host, self.port = options.host, options.port

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/v1"

    async def listen(self) -> None:
        """Binds the port; OSError if it is taken."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._web, self.host, self.port, backlog=BACKLOG)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        await self._web.shutdown(PATIENCE_S)

    def books(self, *, jobs: bool = False) -> dict[str, Any]:
        """The ledger as it stands."""
        ledger: dict[str, Any] = orjson.loads(b"".join(self.books_json(jobs=jobs)))
        return ledger

    def books_json(self, *, jobs: bool) -> Iterator[bytes]:
        """The ledger in pieces: with a million jobs it is large."""
        summary = orjson.dumps(self._api.chat.books())
        if not jobs:
            yield summary
            return
        yield summary[:-1] + b',"jobs":['
        chunk: list[bytes] = []
        for at, entry in enumerate(self._api.chat.ledger.jobs()):
            chunk.append((b"," if at else b"") + orjson.dumps(entry))
            if len(chunk) == JOBS_A_CHUNK:
                yield b"".join(chunk)
                chunk.clear()
        yield b"".join(chunk) + b"]}"

    async def _handle(self, http: BaseRequest) -> StreamResponse:
        path, _, query = http.raw_path.partition("?")
        if path == BOOKS:
            return await self._send_books(http, jobs="jobs=1" in query)
        try:
            body = await http.read() if http.body_exists else b""
        except HTTPRequestEntityTooLarge:
            reply = Refusal(413, "invalid-argument", "The request body is too large.").reply()
        else:
            reply = await self._api.answer(
                Request(method=http.method, path=path, headers=http.headers, body=body)
            )
        self._served += 1
        headers = {**reply.headers, "x-request-id": self._request_ids.make(self._served)}
        if reply.act == "send":
            return Response(status=reply.status, body=reply.body, headers=headers)
        return await self._misbehave(http, reply, headers)

    async def _send_books(self, http: BaseRequest, *, jobs: bool) -> StreamResponse:
        response = StreamResponse(headers={hdrs.CONTENT_TYPE: "application/json"})
        await response.prepare(http)
        for piece in self.books_json(jobs=jobs):
            await response.write(piece)
        await response.write_eof()
        return response

    async def _misbehave(self, http: BaseRequest, reply: Reply, headers: dict[str, str]) -> StreamResponse:
        response = StreamResponse(status=reply.status, headers=headers)
        transport = http.transport
        if reply.act == "hang":
            await asyncio.sleep(self._hang_s)
        if reply.act == "cut":
            response.content_length = len(reply.body)
            await response.prepare(http)
            await response.write(reply.body[: len(reply.body) // 2])
            if transport is not None:
                transport.close()
        elif transport is not None:
            _reset(transport)
        return response


async def serve(options: Options, clock: Clock = time.monotonic) -> Running:
    """Starts a simulator in this event loop. `clock` is for tests that cannot wait a minute or a day."""
    running = Running(Api(options, clock), options)
    await running.listen()
    return running


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> BaseRequest:
    loop = asyncio.get_running_loop()
    return BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_BYTES_MAX)


def _reset(transport: asyncio.Transport) -> None:
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()
