"""What the doors share: the API behind them, the numbers of requests, the ledger in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from runner.simulator.ids import Ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.simulator.api import Api

JOBS_A_CHUNK = 500
PIECE_BYTES = 64 * 1024


class Desk:
    """One for each simulator. `hang_s`: how long a silence lasts."""

    def __init__(self, api: Api, *, hang_s: float) -> None:
        self.answer = api.answer
        self.hang_s = hang_s
        # What comes in, of any connection: each piece is taken out before the next is read. asyncio's own way
        # asks for 256 kB a piece, and giving them back to the system costs more than to parse a request.
        self.room = memoryview(bytearray(PIECE_BYTES))
        self._chat = api.chat
        self._ids, self._served = Ids(), 0

    def next_id(self) -> str:
        """The x-request-id of the next reply."""
        self._served += 1
        return self._ids.make(self._served)

    def books_json(self, *, jobs: bool) -> Iterator[bytes]:
        """The ledger in pieces: with a million jobs it is large."""
        summary = orjson.dumps(self._chat.books())
        if not jobs:
            yield summary
            return
        yield summary[:-1] + b',"jobs":['
        chunk: list[bytes] = []
        for at, entry in enumerate(self._chat.ledger.jobs()):
            chunk.append((b"," if at else b"") + orjson.dumps(entry))
            if len(chunk) == JOBS_A_CHUNK:
                yield b"".join(chunk)
                chunk.clear()
        yield b"".join(chunk) + b"]}"
