"""Hosts with separate networks; one host is cut off for longer than its leases last."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import pytest
from hosts import Host
from live_runner import NO_LIMITS, WITHIN_S, Command, Simulator, wait_until, write_jobs
from servers import LOOPBACK, Postgres, RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOBS: Final = 700
IN_FLIGHT: Final = 8
RUN: Final = ("run", "jobs.jsonl", "-o", "out.jsonl", "--rpm", "900", "--tpm", "none")
# Leases of a worker that sends no heartbeat hold for 30 s at least.
TIMES: Final = {"RUNNER_READ_TIMEOUT_S": "20", "RUNNER_CONNECT_TIMEOUT_S": "5", "RUNNER_LEASE_S": "28"}


def ip(*words: str) -> None:
    """Run `ip`."""
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=WITHIN_S)


class Network:
    """A network namespace with two links to this machine: `db` to the servers, `api` to the simulator."""

    def __init__(self, number: int) -> None:
        of_process, net = divmod(os.getpid() % 5_000, 200)  # beside the same test in another clone
        self._net = 10 + net
        self.name = f"rn{os.getpid() % 30_000}-{number}"
        self._links = {link: 10 * of_process + 2 * number + n for n, link in enumerate(("db", "api"))}

    def local_address(self, link: str) -> str:
        """Return this machine's address on a link."""
        return f"10.{self._net}.{self._links[link]}.1"

    def set_link(self, link: str, *, off: bool) -> None:
        """Set a link down, or up again."""
        ip("link", "set", self._link(link), "down" if off else "up")

    def inside(self, *words: str) -> list[str]:
        """Return the command line that runs a command in the namespace."""
        return ["ip", "netns", "exec", self.name, *words]

    def create(self) -> None:
        """Create the namespace and its links."""
        ip("netns", "add", self.name)
        subprocess.run(self.inside("ip", "link", "set", "lo", "up"), check=True, timeout=WITHIN_S)
        for link, number in self._links.items():
            far = f"{link}0"
            ip("link", "add", self._link(link), "type", "veth", "peer", "name", far, "netns", self.name)
            ip("addr", "add", f"{self.local_address(link)}/24", "dev", self._link(link))
            ip("link", "set", self._link(link), "up")
            address = f"10.{self._net}.{number}.2/24"
            for step in (["addr", "add", address, "dev", far], ["link", "set", far, "up"]):
                subprocess.run(self.inside("ip", *step), check=True, timeout=WITHIN_S)

    def remove(self) -> None:
        """Remove the namespace and its links."""
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True, timeout=WITHIN_S)
        for link in self._links:
            words = ["ip", "link", "del", self._link(link)]
            subprocess.run(words, check=False, capture_output=True, timeout=WITHIN_S)

    def _link(self, link: str) -> str:
        return f"{link[0]}{self.name}"[:15]


@contextmanager
def networks(count: int) -> Iterator[list[Network]]:
    """Yield created networks; skip the test where namespaces are not allowed."""
    if shutil.which("ip") is None or os.getuid() != 0:
        pytest.skip("network namespaces need the program `ip` and root")
    made = [Network(number) for number in range(1, count + 1)]
    try:
        for network in made:
            try:
                network.create()
            except subprocess.CalledProcessError as error:
                pytest.skip(f"this kernel allows no network namespaces: {error.stderr}")
        yield made
    finally:
        for network in made:
            network.remove()


def test_the_others_take_over_and_the_late_one_disturbs_nothing(tmp_path: Path) -> None:
    """First its link to the servers is cut with jobs in flight, then the one to the API; then both work."""
    with ExitStack() as stack:
        nets = stack.enter_context(networks(2))
        addresses = tuple(net.local_address("db") for net in nets)
        postgres = stack.enter_context(Postgres(listen=addresses))
        redis = stack.enter_context(RedisServer(listen=addresses))
        pace = ("--median-s", "1.5", "--submit-ms", "30", "--host", "0.0.0.0")
        simulator = stack.enter_context(Simulator(tmp_path, *NO_LIMITS, *pace))
        port = simulator.url.rpartition(":")[2]
        hosts, workers = [], []
        home = stack.enter_context(Host(tmp_path / "home", simulator, postgres.url, redis.url, **TIMES))
        write_jobs(home.folder / "jobs.jsonl", JOBS)
        assert home.start("db", "upgrade").wait() == 0
        for number, net in enumerate(nets):
            env = TIMES | {
                "XAI_BASE_URL": f"http://{net.local_address('api')}:{port}",
                "RUNNER_ALLOW_HTTP_HOST": net.local_address("api"),
            }
            database_url = postgres.url.replace(LOOPBACK, net.local_address("db"))
            redis_url = redis.url.replace(LOOPBACK, net.local_address("db"))
            host = stack.enter_context(
                Host(tmp_path / f"h{number}", simulator, database_url, redis_url, **env)
            )
            host.database_url = postgres.url
            hosts.append(host)
            workers.append(host.start_command(net.inside(sys.executable, "-m", "runner", "worker", "--beat")))
            wait_until(lambda n=number: home.workers() == n + 1, "the worker is at work")  # type: ignore[misc]
        command = home.start(*RUN)
        late_id = home.count("SELECT MIN(id) FROM workers")
        by_late = f"SELECT COUNT(*) FROM attempts WHERE worker = {late_id} AND outcome = 'succeeded'"
        wait_until(lambda: home.count(by_late) > 30, "both hosts are at work")

        nets[0].set_link("db", off=True)
        wait_until(lambda: has_noticed(workers[0]), "the worker has noticed")
        nets[0].set_link("api", off=True)
        is_leased = "state IN ('submitting', 'collecting')"
        leased = f"SELECT COUNT(*) FROM jobs WHERE lease_owner = {late_id} AND {is_leased}"
        wait_until(lambda: home.count(leased) == 0, "its leases are reclaimed")
        assert workers[0].process.poll() is None
        for link in ("db", "api"):
            nets[0].set_link(link, off=False)
        late_host = f"(SELECT host FROM workers WHERE id = {late_id})"
        heartbeat = f"SELECT MAX(seen_at_ms) FROM workers WHERE host = {late_host}"
        before = home.count(heartbeat)
        wait_until(lambda: home.count(heartbeat) > before, "the late host sends heartbeats again")

        assert command.wait() in (0, 1), command.output
        assert home.ledger_errors(simulator, crashed=True) == []
        assert simulator.books()["accepted"] <= JOBS + 2 * IN_FLIGHT

        workers[1].process.terminate()
        assert workers[1].wait() == 143, "SIGTERM"
        write_jobs(home.folder / "more.jsonl", 20)
        assert home.start("run", "more.jsonl", "-o", "more.out.jsonl").wait() == 0, (
            "the late host works again"
        )


def has_noticed(worker: Command) -> bool:
    """Return whether a worker's log has that the database does not answer."""
    return "database.unavailable" in worker.output
