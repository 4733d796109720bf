"""The yardstick: a minimal loop that submits jobs to the API and fetches their results, and stores nothing.

    python bare_loop.py JOB_FILE BASE_URL [CONCURRENCY]

Prints one line of JSON: the number of jobs, and the seconds without Python's start and without reading the
file.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp

HEADERS = {"Authorization": "Bearer xai-bare-loop"}
JSON = {"Content-Type": "application/json"}


async def job(session: aiohttp.ClientSession, url: str, body: bytes) -> None:
    """Submit one job and fetch its result; after a 202 poll again at once."""
    async with session.post(f"{url}/chat/completions", data=body, headers=JSON) as reply:
        assert reply.status == 200, await reply.text()
        request_id = (await reply.json())["request_id"]
    while True:
        async with session.get(f"{url}/chat/deferred-completion/{request_id}") as reply:
            await reply.read()
            if reply.status == 200:
                return
            assert reply.status == 202, await reply.text()


async def main(bodies: list[bytes], url: str, concurrency: int) -> float:
    """Run all jobs, `concurrency` at a time; return the seconds."""
    left = iter(bodies)

    async def work(session: aiohttp.ClientSession) -> None:
        for body in left:
            await job(session, url, body)

    connector = aiohttp.TCPConnector(limit=concurrency)
    began = time.perf_counter()
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:
        await asyncio.gather(*(work(session) for _ in range(concurrency)))
    return time.perf_counter() - began


def body_of(line: str) -> bytes:
    """Return the request body of a line in batch form, with `deferred`."""
    body: dict[str, Any] = json.loads(line)["body"]
    return json.dumps({"deferred": True, **body}).encode()


if __name__ == "__main__":
    path, base_url, *rest = sys.argv[1:]
    with Path(path).open(encoding="utf-8") as lines:
        all_bodies = [body_of(line) for line in lines]
    took_s = asyncio.run(main(all_bodies, base_url, int(rest[0]) if rest else 64))
    print(json.dumps({"jobs": len(all_bodies), "seconds": took_s}))  # noqa: T201 - this is what it is for
