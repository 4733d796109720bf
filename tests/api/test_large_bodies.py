"""Bodies of 20 MB, the largest that the API takes: how much memory the client needs for one."""

from __future__ import annotations

import asyncio
import tracemalloc

from http_server import response
from open_clients import open_client

BYTES = 20_000_000
PIECE = 1 << 16


async def exchange(body: bytes | None) -> int:
    """Send a body and get a short reply, or send none and get a long one; return the peak of memory."""
    received = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        await reader.readuntil(b"\r\n\r\n")
        if body is None:
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {BYTES}\r\n\r\n".encode())
            for at in range(0, BYTES, PIECE):
                writer.write(b"x" * min(PIECE, BYTES - at))
                await writer.drain()
        else:
            while received < BYTES:
                received += len(await reader.read(PIECE))
            writer.write(response(b"{}"))
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with open_client(url, body_bytes_max=2 * BYTES) as api:
            tracemalloc.start()
            try:
                reply = await (api.get("/x") if body is None else api.post("/x", body))
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
    assert (len(reply.body), received) == ((BYTES, 0) if body is None else (2, BYTES))
    return peak


def test_a_body_to_send_is_not_copied() -> None:
    """It is written in pieces as the server takes them."""
    assert asyncio.run(exchange(b"x" * BYTES)) < 5_000_000


def test_a_reply_is_in_memory_twice_at_most() -> None:
    """While its pieces are joined."""
    assert asyncio.run(exchange(None)) < 2 * BYTES + 5_000_000
