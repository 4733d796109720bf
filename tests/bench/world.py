"""Where runs are measured: a simulator that answers at once, with a private engine or with servers."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from commands import timed
from hosts import Host
from live import NO_LIMITS, Home, Simulator
from servers import Postgres, RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator

DURABLE: Final = ("fsync=on", "full_page_writes=on", "shared_buffers=128MB")  # as PostgreSQL comes
INSTANT: Final = ("--instant", *NO_LIMITS)
WORKERS: Final = 2
_TICKS_S: Final = os.sysconf("SC_CLK_TCK")


@contextmanager
def embedded(folder: Path, simulator: Simulator, workers: int = WORKERS) -> Iterator[Home]:
    """Give a home whose engine has so many workers, on SQLite."""
    folder.mkdir(exist_ok=True)
    with Home(folder, simulator, RUNNER_WORKERS=str(workers)) as home:
        yield home


@contextmanager
def shared(folder: Path, simulator: Simulator, workers: int = WORKERS) -> Iterator[Host]:
    """Give a home beside a PostgreSQL that keeps what it says, a Redis, and so many workers."""
    with ExitStack() as stack:
        base = stack.enter_context(Postgres(*DURABLE))
        redis = stack.enter_context(RedisServer())
        host = stack.enter_context(Host(folder, simulator, base.url, redis.url))
        assert host.start("db", "upgrade").ended() == 0
        host.worker("--processes", str(workers), "--beat")
        yield host


def run(home: Home, job_file: Path, *flags: str) -> float:
    """Run a job file without limits; return the seconds of the whole command."""
    return timed(home, "run", str(job_file), "-o", "out.jsonl", *NO_LIMITS, *flags)


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has had; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_S


def cpu_ns(pid: int) -> int:
    """Return the CPU time of all living threads of a process, finely; 0 when it is gone."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads)
    except OSError:
        return 0
