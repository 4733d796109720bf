"""A simulator in a thread of this process, and a plain client that shows every byte of what it answers."""

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
TIMEOUT_S = 20


class ManualClock:
    """A clock that only moves when told."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


class SimulatorThread:
    """Use it with `with`. Instant answers and no limits, unless the options say otherwise."""

    def __init__(self, options: Options | None = None, **changes: Any) -> None:
        easy = Options(
            median_s=0.0, rpm="none", tpm="none", keep_retired=True
        )  # grok-4 with prices of its own
        self.clock = ManualClock()
        self._options = replace(options or easy, **changes)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.running: SimulatorServer

    def __enter__(self) -> Self:
        self._thread.start()
        self.running = asyncio.run_coroutine_threadsafe(serve(self._options, self.clock), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self.running.close(), self._loop).result()
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
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.running.port, timeout=TIMEOUT_S)
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
        """A chat completion with one user message, deferred."""
        body = {
            "model": "grok-4",
            "messages": [{"role": "user", "content": text}],
            "deferred": deferred,
        } | fields
        return self.call("POST", CHAT, json.dumps(body).encode(), key=key)

    def accepted(self, text: str = "hello", **fields: Any) -> str:
        """The request id of a submission that must be accepted."""
        seen = self.submit(text, **fields)
        assert seen.status == 200, seen.raw
        return str(seen.json["request_id"])

    def fetch(self, request_id: str, *, key: str = KEY) -> Response:
        return self.call("GET", f"/v1/chat/deferred-completion/{request_id}", key=key)

    def completion(self, text: str = "hello", **fields: Any) -> Any:
        """Submits and fetches: the chat.completion."""
        seen = self.fetch(self.accepted(text, **fields))
        assert seen.status == 200, seen.raw
        return seen.json

    def switch(self, **switches: Any) -> Response:
        return self.call("POST", "/_switch", json.dumps(switches).encode())

    def books(self, *, jobs: bool = False) -> Any:
        return self.call("GET", "/_books?jobs=1" if jobs else "/_books").json
