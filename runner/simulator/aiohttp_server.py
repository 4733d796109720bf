"""aiohttp server for all requests that the fast path does not parse."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import hdrs
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse
from aiohttp.web_server import Server

from runner.simulator import raw_http
from runner.simulator.api import BOOKS, Request
from runner.simulator.replies import Refusal, Reply

if TYPE_CHECKING:
    from runner.simulator.server_state import ServerState

BODY_BYTES_MAX = 64 * 2**20


def make_aiohttp_server(state: ServerState) -> Server:
    """Return aiohttp's server. Calling it makes the protocol of one connection."""

    async def handle(http: BaseRequest) -> StreamResponse:
        path, _, query = http.raw_path.partition("?")
        if path == BOOKS:
            return await _send_books(state, http, jobs="jobs=1" in query)
        reply = await _reply(state, http, path)
        request_id = state.next_id()
        if reply.delivery == "send":
            headers = {**reply.headers, "x-request-id": request_id}
            return Response(status=reply.status, body=reply.body, headers=headers)
        if http.transport is not None:
            await raw_http.send_broken(http.transport, reply, request_id, hang_s=state.hang_s)
        return StreamResponse()  # the connection is closed: aiohttp sends nothing of it

    return Server(handle, request_factory=_request, access_log=None)


async def _reply(state: ServerState, http: BaseRequest, path: str) -> Reply:
    try:
        body = await http.read() if http.body_exists else b""
    except HTTPRequestEntityTooLarge:
        return Refusal(413, "invalid-argument", "The request body is too large.").reply()
    result = state.handle(Request(method=http.method, path=path, headers=http.headers, body=body))
    return result if isinstance(result, Reply) else await result()


async def _send_books(state: ServerState, http: BaseRequest, *, jobs: bool) -> StreamResponse:
    response = StreamResponse(headers={hdrs.CONTENT_TYPE: "application/json"})
    await response.prepare(http)
    for chunk in state.books_json(jobs=jobs):
        await response.write(chunk)
    await response.write_eof()
    return response


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> BaseRequest:
    loop = asyncio.get_running_loop()
    return BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_BYTES_MAX)
