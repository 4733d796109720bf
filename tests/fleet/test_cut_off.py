"""Hosts with networks of their own; one is cut off for longer than its leases last."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import pytest
from hosts import Host
from live import NO_LIMITS, Command, Simulator, wait_until, write_jobs
from servers import LOOPBACK, Postgres, RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOBS: Final = 700
IN_FLIGHT: Final = 8
LEASE_S: Final = 10
RUN: Final = ("run", "jobs.jsonl", "-o", "out.jsonl", "--rpm", "900", "--tpm", "none")
TIMES: Final = {"RUNNER_READ_TIMEOUT_S": "5", "RUNNER_CONNECT_TIMEOUT_S": "2", "RUNNER_LEASE_S": str(LEASE_S)}


def ip(*words: str) -> None:
    """Run `ip`."""
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)


class Network:
    """A namespace with a pair of cables to this machine: one to the servers, one to the API."""

    def __init__(self, number: int) -> None:
        self.name, self._cables = (
            f"rn{os.getpid() % 30_000}-{number}",
            {"db": number * 2, "api": number * 2 + 1},
        )
        self._net = 10 + os.getpid() % 200

    def here(self, cable: str) -> str:
        """Return this machine's address on a cable."""
        return f"10.{self._net}.{self._cables[cable]}.1"

    def cut(self, cable: str, *, off: bool) -> None:
        """Pull a cable out, or put it back."""
        ip("link", "set", self._link(cable), "down" if off else "up")

    def inside(self, *words: str) -> list[str]:
        """Return a command as it runs on that host."""
        return ["ip", "netns", "exec", self.name, *words]

    def lay(self) -> None:
        """Make all of it."""
        ip("netns", "add", self.name)
        subprocess.run(self.inside("ip", "link", "set", "lo", "up"), check=True, timeout=20)
        for cable, number in self._cables.items():
            far = f"{cable}0"
            ip("link", "add", self._link(cable), "type", "veth", "peer", "name", far, "netns", self.name)
            ip("addr", "add", f"{self.here(cable)}/24", "dev", self._link(cable))
            ip("link", "set", self._link(cable), "up")
            address = f"10.{self._net}.{number}.2/24"
            for step in (["addr", "add", address, "dev", far], ["link", "set", far, "up"]):
                subprocess.run(self.inside("ip", *step), check=True, timeout=20)

    def remove(self) -> None:
        """Take it away; its cables go with it."""
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True, timeout=20)
        for cable in self._cables:
            words = ["ip", "link", "del", self._link(cable)]
            subprocess.run(words, check=False, capture_output=True, timeout=20)

    def _link(self, cable: str) -> str:
        return f"{cable[0]}{self.name}"[:15]


@contextmanager
def networks(count: int) -> Iterator[list[Network]]:
    """Lay some networks; skip where that is not allowed."""
    if shutil.which("ip") is None or os.getuid() != 0:
        pytest.skip("network namespaces need the program `ip` and root")
    made = [Network(number) for number in range(1, count + 1)]
    try:
        for network in made:
            try:
                network.lay()
            except subprocess.CalledProcessError as error:
                pytest.skip(f"this kernel allows no network namespaces: {error.stderr}")
        yield made
    finally:
        for network in made:
            network.remove()


@pytest.mark.timeout(300)
def test_the_others_take_over_and_the_late_one_disturbs_nothing(tmp_path: Path) -> None:
    """First its way to the servers is cut, with answers in hand; then it is alone; then all is back."""
    with ExitStack() as stack:
        nets = stack.enter_context(networks(2))
        cables = tuple(net.here("db") for net in nets)
        postgres = stack.enter_context(Postgres(listen=cables))
        redis = stack.enter_context(RedisServer(listen=cables))
        pace = ("--median-s", "1.5", "--submit-ms", "30", "--host", "0.0.0.0")
        simulator = stack.enter_context(Simulator(tmp_path, *NO_LIMITS, *pace))
        port = simulator.url.rpartition(":")[2]
        hosts, workers = [], []
        home = stack.enter_context(Host(tmp_path / "home", simulator, postgres.url, redis.url, **TIMES))
        write_jobs(home.folder / "jobs.jsonl", JOBS)
        assert home.start("db", "upgrade").ended() == 0
        for number, net in enumerate(nets):
            env = TIMES | {
                "XAI_BASE_URL": f"http://{net.here('api')}:{port}",
                "RUNNER_ALLOW_HTTP_HOST": net.here("api"),
            }
            database_url = postgres.url.replace(LOOPBACK, net.here("db"))
            redis_url = redis.url.replace(LOOPBACK, net.here("db"))
            host = stack.enter_context(
                Host(tmp_path / f"h{number}", simulator, database_url, redis_url, **env)
            )
            host.database_url = postgres.url
            hosts.append(host)
            workers.append(host.start_by(net.inside(sys.executable, "-m", "runner", "worker", "--beat")))
            wait_until(lambda n=number: home.workers() == n + 1, "the worker is at work")  # type: ignore[misc]
        command = home.start(*RUN)
        late_id = home.count("SELECT MIN(id) FROM workers")
        by_late = f"SELECT COUNT(*) FROM attempts WHERE worker = {late_id} AND outcome = 'succeeded'"
        wait_until(lambda: home.count(by_late) > 30, "both hosts are at work")

        nets[0].cut("db", off=True)
        wait_until(lambda: is_idle(workers[0], hosts[0]), "what was in flight has come or not")
        nets[0].cut("api", off=True)
        held = "state IN ('submitting', 'collecting')"
        taken = f"SELECT COUNT(*) FROM jobs WHERE lease_owner = {late_id} AND {held}"
        wait_until(lambda: home.count(taken) == 0, "the others have taken over", 90)
        assert workers[0].process.poll() is None
        for cable in ("db", "api"):
            nets[0].cut(cable, off=False)
        its_host = f"(SELECT host FROM workers WHERE id = {late_id})"
        seen = f"SELECT MAX(seen_at_ms) FROM workers WHERE host = {its_host}"
        before = home.count(seen)
        wait_until(lambda: home.count(seen) > before, "the late one lives again", 60)

        assert command.ended(120) in (0, 1), command.said
        assert home.findings(simulator, crashed=True) == []
        assert simulator.books()["accepted"] <= JOBS + 2 * IN_FLIGHT

        workers[1].process.terminate()
        assert workers[1].ended(60) == 143, "SIGTERM"
        write_jobs(home.folder / "more.jsonl", 20)
        assert home.start("run", "more.jsonl", "-o", "more.out.jsonl").ended(60) == 0, (
            "the late one works again"
        )


def is_idle(worker: Command, host: Host) -> bool:
    """Say whether a cut-off worker has noticed: its log tells that the database is away."""
    return "database.unavailable" in worker.said
