"""The door for all that is not plain: aiohttp reads the requests and writes the replies."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import hdrs
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse
from aiohttp.web_server import Server

from runner.simulator import sending
from runner.simulator.api import BOOKS, Request
from runner.simulator.replies import Refusal, Reply

if TYPE_CHECKING:
    from runner.simulator.desk import Desk

BODY_BYTES_MAX = 64 * 2**20


def web_door(desk: Desk) -> Server:
    """Calling it makes the protocol of one connection."""

    async def handle(http: BaseRequest) -> StreamResponse:
        path, _, query = http.raw_path.partition("?")
        if path == BOOKS:
            return await _send_books(desk, http, jobs="jobs=1" in query)
        reply = await _reply(desk, http, path)
        request_id = desk.next_id()
        if reply.act == "send":
            headers = {**reply.headers, "x-request-id": request_id}
            return Response(status=reply.status, body=reply.body, headers=headers)
        if http.transport is not None:
            await sending.end_badly(http.transport, reply, request_id, hang_s=desk.hang_s)
        return StreamResponse()  # of which nothing is sent any more

    return Server(handle, request_factory=_request, access_log=None)


async def _reply(desk: Desk, http: BaseRequest, path: str) -> Reply:
    try:
        body = await http.read() if http.body_exists else b""
    except HTTPRequestEntityTooLarge:
        return Refusal(413, "invalid-argument", "The request body is too large.").reply()
    found = desk.answer(Request(method=http.method, path=path, headers=http.headers, body=body))
    return found if isinstance(found, Reply) else await found()


async def _send_books(desk: Desk, http: BaseRequest, *, jobs: bool) -> StreamResponse:
    response = StreamResponse(headers={hdrs.CONTENT_TYPE: "application/json"})
    await response.prepare(http)
    for piece in desk.books_json(jobs=jobs):
        await response.write(piece)
    await response.write_eof()
    return response


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> BaseRequest:
    loop = asyncio.get_running_loop()
    return BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_BYTES_MAX)
