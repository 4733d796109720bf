"""Setups for benchmarks: an embedded engine or shared servers, beside a simulator that answers at once."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from commands import timed
from hosts import Host
from live_runner import NO_LIMITS, LiveRunner, Simulator
from servers import Postgres, RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator

DURABLE: Final = ("fsync=on", "full_page_writes=on", "shared_buffers=128MB")  # PostgreSQL's defaults
INSTANT: Final = ("--instant", *NO_LIMITS)
WORKERS: Final = 2
_TICKS_S: Final = os.sysconf("SC_CLK_TCK")


@contextmanager
def embedded(folder: Path, simulator: Simulator, workers: int = WORKERS) -> Iterator[LiveRunner]:
    """Yield a state folder on SQLite whose engine has this many workers."""
    folder.mkdir(exist_ok=True)
    with LiveRunner(folder, simulator, RUNNER_WORKERS=str(workers)) as home:
        yield home


@contextmanager
def shared(folder: Path, simulator: Simulator, workers: int = WORKERS) -> Iterator[Host]:
    """Yield a host with a durable PostgreSQL, a Redis, and this many workers."""
    with ExitStack() as stack:
        base = stack.enter_context(Postgres(*DURABLE))
        redis = stack.enter_context(RedisServer())
        host = stack.enter_context(Host(folder, simulator, base.url, redis.url))
        assert host.start("db", "upgrade").wait() == 0
        host.worker("--processes", str(workers), "--beat")
        yield host


def run(home: LiveRunner, job_file: Path, *flags: str) -> float:
    """Run a job file without limits; return the seconds of the whole command."""
    return timed(home, "run", str(job_file), "-o", "out.jsonl", *NO_LIMITS, *flags)


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process in seconds; 0 when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_S


def cpu_ns(pid: int) -> int:
    """Return the CPU time of all living threads of a process in nanoseconds; 0 when it has ended."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads)
    except OSError:
        return 0
