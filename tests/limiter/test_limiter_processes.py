"""Real processes against a server of strict sliding windows, scaled down: no 429, and all requests get there.

A request that a busy machine holds up, between its slot and the server, comes with the next ones: in these
short windows that is too many. So there may be as many 429s as requests that were held up, none when quiet.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from paced_client import HELD_UP
from redis import Redis
from valkey_server import ValkeyServer, valkey_server

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKER = Path(__file__).with_name("paced_client.py")
WITHIN_S = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Limits as the server counts them (`rpm` and `tpm` a window; 0: none); `size`: mean tokens a request.

    It lasts `run_s`, and until `requests_min` requests have arrived.
    """

    rpm: int
    tpm: int = 0
    rps: int = 0
    size: int = 1
    window_us: int = 6_000_000
    second_us: int = 1_000_000
    run_s: float = 18.0
    requests_min: int = 0


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    with valkey_server() as running:
        yield running


def arrivals(valkey: ValkeyServer, case: Case, processes: int) -> list[tuple[int, bool, int]]:
    """Run worker processes; return (time_us, refused, tokens) of every request that reached the server.

    No more were refused than a busy machine held up.
    """
    command = [sys.executable, str(WORKER), valkey.url, json.dumps(asdict(case))]
    with ExitStack() as stack:
        workers = [subprocess.Popen([*command, str(seed)]) for seed in range(processes)]
        for worker in workers:
            stack.callback(worker.kill)
        assert [worker.wait(WITHIN_S) for worker in workers] == [0] * processes
    with Redis.from_url(valkey.url, db=1) as client:
        lines: Any = client.lrange("strict:books", 0, -1)
        held_up: Any = client.get(HELD_UP)
    fields = [line.split() for line in lines]
    found = [(int(at), refused == b"1", int(tokens)) for at, refused, tokens in fields]
    assert sum(refused for _, refused, _ in found) <= int(held_up)
    return found


def parts_used(found: list[tuple[int, bool, int]], case: Case) -> tuple[float, float]:
    """Return the used part of the limits of requests and of tokens, after the first window.

    Counted from the first to the last arrival after it, so that start and end of the test do not count.
    """
    start = found[0][0] + case.window_us
    steady = [(at, tokens) for at, _, tokens in found if at >= start]
    windows = (steady[-1][0] - steady[0][0]) / case.window_us
    requests = (len(steady) - 1) / windows
    tokens = sum(tokens for _, tokens in steady[1:]) / windows
    return requests / max(1, case.rpm), tokens / max(1, case.tpm)


def test_two_processes_overrun_no_window(valkey: ValkeyServer) -> None:
    """With limits of requests a window and of requests a second; all requests get there."""
    case = Case(rpm=100, rps=60, window_us=2_000_000, run_s=0.0, requests_min=250)
    assert len(arrivals(valkey, case, 2)) >= case.requests_min


def test_two_processes_overrun_no_tokens(valkey: ValkeyServer) -> None:
    """With a limit of tokens, and requests of very different sizes."""
    case = Case(rpm=0, tpm=20_000, size=200, window_us=2_000_000, run_s=0.0, requests_min=250)
    assert len(arrivals(valkey, case, 2)) >= case.requests_min


@pytest.mark.soak
@pytest.mark.parametrize("processes", [1, 4, 8])
@pytest.mark.parametrize(
    ("case", "used_min"),
    [
        (Case(rpm=240), 0.98),
        (Case(rpm=720, rps=150), 0.98),
        (Case(rpm=0, tpm=120_000, size=300), 0.95),
    ],
    ids=["requests", "requests and seconds", "tokens"],
)
def test_any_number_of_processes_use_the_limits_and_overrun_none(
    valkey: ValkeyServer, case: Case, used_min: float, processes: int
) -> None:
    """No 429, and at used_min the given part of the limit is used."""
    found = arrivals(valkey, case, processes)
    used = parts_used(found, case)[1 if case.tpm else 0]
    sys.stdout.write(f"{processes} processes: {len(found)} arrivals, {used:.4f} used\n")
    assert used >= used_min
