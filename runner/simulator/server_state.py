"""Server state: what all connections share. The API, the request id counter and the books as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from runner.simulator.ids import Ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.simulator.api import Api

JOBS_PER_CHUNK = 500


class ServerState:
    """State shared by the connections of one simulator. `hang_s` is how long a hang lasts, in seconds."""

    def __init__(self, api: Api, *, hang_s: float) -> None:
        self.handle = api.handle
        self.hang_s = hang_s
        self._chat = api.chat
        self._ids, self._served = Ids(), 0

    def next_id(self) -> str:
        """Return the x-request-id of the next reply."""
        self._served += 1
        return self._ids.make(self._served)

    def books_json(self, *, jobs: bool) -> Iterator[bytes]:
        """Yield the books as JSON in chunks, with one entry per job if `jobs`: a million jobs are large."""
        summary = orjson.dumps(self._chat.books_summary())
        if not jobs:
            yield summary
            return
        yield summary[:-1] + b',"jobs":['
        chunk: list[bytes] = []
        for at, entry in enumerate(self._chat.books.jobs()):
            chunk.append((b"," if at else b"") + orjson.dumps(entry))
            if len(chunk) == JOBS_PER_CHUNK:
                yield b"".join(chunk)
                chunk.clear()
        yield b"".join(chunk) + b"]}"
