"""After a million finished jobs: the time of read commands and of `write`, and the pace of later jobs."""

from __future__ import annotations

import hashlib
import os
import signal
import statistics
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Final

import bench_jobs
import bench_setups
import finished
from commands import Memory, rest, timed
from figures import Figure, spread
from hosts import Host
from live_runner import LiveRunner, Simulator
from servers import Postgres, RedisServer

from runner.db import migrate
from runner.db.session import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    Working = Callable[[LiveRunner], AbstractContextManager[None]]

TITLE: Final = "After a million jobs with bodies of 600 bytes have ended"
COUNT, AFTER = 1_000_000, 20_000
READ_COMMANDS: Final = (("status",), ("list",), ("summary", "1"), ("show", "1", "job-000000777777"))
WRITE_RATE, READ_S, PACE_RATIO, MEMORY_BYTES = 100_000, 0.3, 0.9, 150e6
TIMES, PAIRS = 5, 3


def measure(folder: Path) -> Iterator[Figure]:
    """Measure all beside the same with one finished job, first in a state folder, then on servers."""
    jobs = bench_jobs.write(folder / "jobs.jsonl", AFTER)
    with Simulator(folder, *bench_setups.INSTANT) as simulator, ExitStack() as stack:
        homes = [
            stack.enter_context(bench_setups.embedded(folder / name, simulator)) for name in ("one", "all")
        ]
        for home in homes:
            home.path.mkdir(mode=0o700)
        urls = [f"sqlite:///{home.database}" for home in homes]
        yield from _measure("SQLite", homes, urls, jobs, _with_its_engine)
        for home in homes:
            home.database.unlink()
    with ExitStack() as stack:
        server = stack.enter_context(Postgres(*bench_setups.DURABLE))
        server.execute("CREATE DATABASE one", database="postgres")
        simulator = stack.enter_context(Simulator(folder, *bench_setups.INSTANT))
        urls = [server.url.removesuffix("fleet") + "one", server.url]
        hosts = [
            stack.enter_context(
                Host(folder / f"host-{n}", simulator, url, stack.enter_context(RedisServer()).url)
            )
            for n, url in enumerate(urls)
        ]
        yield from _measure("PostgreSQL", hosts, urls, jobs, _with_workers)


def _measure(
    where: str, homes: list[LiveRunner] | list[Host], urls: list[str], jobs: Path, working: Working
) -> Iterator[Figure]:
    for url, count in zip(urls, (1, COUNT), strict=True):
        with closing(Database(url)) as database:
            migrate.upgrade(database, None)
        finished.fill(url, count)
    small, full = homes
    if not isinstance(full, Host):
        size = full.database.stat().st_size
    else:
        size = full.count("SELECT pg_database_size('fleet')")
    yield Figure(what=f"disk, {where}", found=f"{size / COUNT:,.0f} bytes a job")
    yield from _reads(where, full, small)
    yield from _writes(where, full, small)
    yield _pace(where, full, small, jobs, working)


def _reads(where: str, full: LiveRunner, small: LiveRunner) -> Iterator[Figure]:
    for words in READ_COMMANDS:
        small_words = words if words[0] != "show" else (*words[:2], "job-000000000000")
        starts = [timed(small, *small_words) for _ in range(TIMES)]
        took = [timed(full, *words) for _ in range(TIMES)]
        over_s = statistics.median(took) - statistics.median(starts)
        yield Figure(
            what=f"`runner {words[0]}`, {where}",
            found=f"{over_s:.2f} s over start-up",
            beside=f"{spread(took)} s, with one job {spread(starts)} s",
            asked=f"< {READ_S} s",
            met=over_s < READ_S,
            runs=TIMES,
        )


def _writes(where: str, full: LiveRunner, small: LiveRunner) -> Iterator[Figure]:
    """Write the files twice; measure how fast, and whether the bytes are equal."""
    start_s = timed(small, "write", "1", "-o", "out.jsonl", "-q")
    took, digests = [], set()
    with Memory(full) as writing:
        for name in ("one.jsonl", "two.jsonl"):
            took.append(timed(full, "write", "1", "-o", name, "-q") - start_s)
            with (full.folder / name).open("rb") as file:
                digests.add(hashlib.file_digest(file, "sha256").hexdigest())
            (full.folder / name).unlink()
    rate = COUNT / min(took)
    same = len(digests) == 1
    yield Figure(
        what=f"`runner write`, {where}",
        found=f"{rate:,.0f} rows/s, {'the same bytes twice' if same else 'OTHER BYTES the second time'}",
        beside=writing.told(),
        asked=f">= {WRITE_RATE:,} rows/s, the same bytes, < {MEMORY_BYTES / 1e6:.0f} MB",
        met=rate >= WRITE_RATE and same and writing.highest_bytes < MEMORY_BYTES,
    )


def _pace(where: str, full: LiveRunner, small: LiveRunner, jobs: Path, working: Working) -> Figure:
    """Run a job file in turns beside one and beside a million finished jobs."""
    rates: dict[LiveRunner, list[float]] = {small: [], full: []}
    for n in range(PAIRS):
        for home in (small, full) if n % 2 else (full, small):
            with working(home):
                rates[home].append(AFTER / bench_setups.run(home, jobs, "--new", "--force"))
    ratio = statistics.median(rates[full]) / statistics.median(rates[small])
    return Figure(
        what=f"{AFTER:,} more jobs, {where}",
        found=f"{ratio:.2f} x; {spread(rates[full], 0)} jobs/s",
        beside=f"with one ended job {spread(rates[small], 0)} jobs/s",
        asked=f">= {PACE_RATIO} x",
        met=ratio >= PACE_RATIO,
        runs=PAIRS,
    )


@contextmanager
def _with_its_engine(home: LiveRunner) -> Iterator[None]:
    yield
    rest(home)


@contextmanager
def _with_workers(home: LiveRunner) -> Iterator[None]:
    assert isinstance(home, Host)
    worker = home.worker("--processes", str(bench_setups.WORKERS), "--beat")
    yield
    os.kill(worker.pid, signal.SIGTERM)
    worker.process.wait(90)
