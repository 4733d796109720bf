"""A simulator in a thread of this process, with a client that returns raw replies."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from runner.simulator.options import Options
from runner.simulator.server import SimulatorServer, serve

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

KEY = "xai-a-key-of-some-length"
CHAT = "/v1/chat/completions"
TIMEOUT_S = 120  # long: it matters only when a test fails


class ManualClock:
    """A clock that moves only when a test changes `now_s`."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A reply as received; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        """Return the body parsed as JSON."""
        return json.loads(self.raw)


class SimulatorThread:
    """A context manager. Instant answers and no limits, unless the options differ."""

    def __init__(self, options: Options | None = None, **changes: Any) -> None:
        # keep_retired: grok-4 with its own prices
        defaults = Options(median_s=0.0, rpm="none", tpm="none", keep_retired=True)
        self.clock = ManualClock()
        self._options = replace(options or defaults, **changes)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.server: SimulatorServer

    def __enter__(self) -> Self:
        self._thread.start()
        self.server = asyncio.run_coroutine_threadsafe(serve(self._options, self.clock), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self.server.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        key: str | None = KEY,
        content_type: str | None = "application/json",
    ) -> Response:
        """Send one request on its own connection. Return the reply."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=TIMEOUT_S)
        headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
        if content_type is not None and body is not None:
            headers["Content-Type"] = content_type
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return Response(
                status=reply.status,
                headers={name.lower(): value for name, value in reply.getheaders()},
                raw=reply.read(),
            )
        finally:
            connection.close()

    def submit(
        self, text: str = "hello", *, key: str = KEY, deferred: bool = True, **fields: Any
    ) -> Response:
        """Submit a chat completion with one user message. Return the reply."""
        body = {
            "model": "grok-4",
            "messages": [{"role": "user", "content": text}],
            "deferred": deferred,
        } | fields
        return self.call("POST", CHAT, json.dumps(body).encode(), key=key)

    def submit_id(self, text: str = "hello", **fields: Any) -> str:
        """Submit a request that must be accepted. Return its request id."""
        reply = self.submit(text, **fields)
        assert reply.status == 200, reply.raw
        return str(reply.json["request_id"])

    def fetch(self, request_id: str, *, key: str = KEY) -> Response:
        """Fetch the deferred result. Return the reply."""
        return self.call("GET", f"/v1/chat/deferred-completion/{request_id}", key=key)

    def completion(self, text: str = "hello", **fields: Any) -> Any:
        """Submit and fetch. Return the chat.completion."""
        reply = self.fetch(self.submit_id(text, **fields))
        assert reply.status == 200, reply.raw
        return reply.json

    def switch(self, **switches: Any) -> Response:
        """Change switches. Return the reply."""
        return self.call("POST", "/_switch", json.dumps(switches).encode())

    def books(self, *, jobs: bool = False) -> Any:
        """Return the books, with one entry per job if `jobs`."""
        return self.call("GET", "/_books?jobs=1" if jobs else "/_books").json
