"""Setups for chaos rounds: one state folder with its engine, or two hosts with shared servers."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

sys.path.insert(0, str(Path(__file__).parents[1]))

from hosts import Host
from live_runner import NO_LIMITS, Command, LiveRunner, Simulator, write_jobs
from proxy import Proxy
from redis import Redis
from servers import Postgres, RedisServer

from runner.settings import socket_path

if TYPE_CHECKING:
    import random
    from types import TracebackType

TIMES: Final = {
    "RUNNER_LEASE_S": "8", "RUNNER_READ_TIMEOUT_S": "3", "RUNNER_CONNECT_TIMEOUT_S": "1",
    "RUNNER_TURN_S": "10",
}  # fmt: skip
DISK_MIB: Final = 112
LIMITS: Final = ("--rpm", "1800", "--tpm", "none")


class EmbeddedSetup:
    """One run with embedded use: a simulator behind a proxy, and a state folder on its own small disk.

    Without the right to mount, the folder is on the usual disk.
    """

    form = "embedded"
    postgres: Postgres | None = None
    redis: RedisServer | None = None

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder, self.chance, self.faults = folder, chance, {"429": 0.01, "503": 0.005, "cut": 0.003}
        self.jobs = chance.randint(200, 500)
        self.stack = ExitStack()
        self.disks: list[Path] = []
        self.proxies: dict[str, Proxy] = {}
        self.homes: list[LiveRunner] = []
        self.commands = 0

    def __enter__(self) -> Self:
        try:
            pace = ("--median-s", str(self.chance.choice([0.2, 0.6, 1.5])), "--submit-ms", "15")
            flags = [word for name, share in self.faults.items() for word in ("--fault", f"{name}={share}")]
            seed = self.chance.randrange(1 << 30)
            self.simulator = self.stack.enter_context(
                Simulator(self.folder, *NO_LIMITS, "--hang-s", "6", *pace, *flags, seed=seed)
            )
            port = int(self.simulator.url.split(":")[2].split("/")[0])
            self.proxies["api"] = self.stack.enter_context(Proxy(port))
            self.env = TIMES | {"XAI_BASE_URL": f"http://127.0.0.1:{self.proxies['api'].port}/v1"}
            self.build()
            write_jobs(self.home.folder / "jobs.jsonl", self.jobs)
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.close()

    @property
    def home(self) -> LiveRunner:
        """Return the host on which the commands run."""
        return self.homes[0]

    def build(self) -> None:
        """Add the hosts to `homes`."""
        self.homes.append(self.stack.enter_context(LiveRunner(self.disk("home"), self.simulator, **self.env)))

    def disk(self, name: str) -> Path:
        """Return a new folder, on its own small tmpfs where mounting is allowed."""
        folder = self.folder / name
        folder.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=0755", "tmpfs", str(folder)]
        if subprocess.run(words, check=False, capture_output=True).returncode == 0:
            self.disks.append(folder)
            unmount = ["umount", "--lazy", str(folder)]
            self.stack.callback(lambda: subprocess.run(unmount, check=False, capture_output=True))
        return folder

    def redis_client(self) -> Redis:
        """Return a client of the Redis or Valkey in use."""
        return Redis.from_url(f"unix://{socket_path(self.home.path)}")

    def run(self) -> Command:
        """Start the run command, the same each time."""
        self.commands += 1
        return self.home.start("run", "jobs.jsonl", "-o", "out.jsonl", "--max-attempts", "50", *LIMITS)

    def keep_alive(self) -> None:
        """Start processes that have ended, as a service manager would; here there are none."""


class SharedSetup(EmbeddedSetup):
    """Two hosts, each with a `runner worker` of one or two processes."""

    form = "shared"

    def build(self) -> None:
        """Start the servers and add two hosts."""
        self.postgres = self.stack.enter_context(Postgres())
        self.redis = self.stack.enter_context(RedisServer(keeps=self.chance.random() < 0.5))
        self.proxies["postgres"] = self.stack.enter_context(Proxy(self.postgres.port))
        self.proxies["redis"] = self.stack.enter_context(Proxy(self.redis.port))
        url = self.postgres.url.replace(str(self.postgres.port), str(self.proxies["postgres"].port))
        redis_url = f"redis://127.0.0.1:{self.proxies['redis'].port}/0"
        for name in ("a", "b"):
            host = self.stack.enter_context(Host(self.disk(name), self.simulator, url, redis_url, **self.env))
            host.database_url = self.postgres.url
            self.homes.append(host)
        upgraded = self.home.start("db", "upgrade")
        assert upgraded.wait() == 0, upgraded.output
        self._workers: dict[int, Command] = {}
        self.keep_alive()

    def redis_client(self) -> Redis:
        """Return a client that does not go through the proxy."""
        assert self.redis is not None
        return self.redis.client()

    def keep_alive(self) -> None:
        """Start the workers that have ended."""
        for number, host in enumerate(self.homes):
            worker = self._workers.get(number)
            if worker is None or worker.process.poll() is not None:
                count = str(self.chance.randint(1, 2))
                self._workers[number] = host.start("worker", "--processes", count, "--beat")
