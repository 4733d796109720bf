"""Deferred jobs a second from start to end, durable, against a bare loop that stores nothing."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import bench_jobs
import bench_setups
from figures import Figure, spread
from live_runner import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from live_runner import LiveRunner

TITLE: Final = (
    "Jobs per second from start to end: two workers, durable, no rate limit, an API that answers at once"
)
BARE: Final = Path(__file__).with_name("bare_loop.py")
JOBS, BARE_JOBS = 100_000, 20_000
RUNS: Final = 3
ASKED: Final = {"SQLite": 0.55, "PostgreSQL": 0.45}


def measure(folder: Path) -> Iterator[Figure]:
    """Measure both databases; each run is compared with a bare loop at the same time."""
    job_file = bench_jobs.write(folder / "jobs.jsonl", JOBS)
    bare_file = bench_jobs.write(folder / "bare.jsonl", BARE_JOBS)
    for name, home_of in (("SQLite", bench_setups.embedded), ("PostgreSQL", bench_setups.shared)):
        found = [_pair(folder / f"{name}-{n}", job_file, bare_file, home_of) for n in range(RUNS)]
        ratios = [ours / bare for ours, bare in found]
        yield Figure(
            what=f"{name}, {JOBS:,} jobs",
            found=f"{spread(ratios)} x; {spread([ours for ours, _ in found], 0)} jobs/s",
            beside=f"bare loop, {BARE_JOBS:,} jobs: {spread([bare for _, bare in found], 0)} jobs/s",
            asked=f"≥ {ASKED[name]:g} x",
            met=statistics.median(ratios) >= ASKED[name],
            runs=RUNS,
        )


def _pair(
    folder: Path,
    job_file: Path,
    bare_file: Path,
    home_of: Callable[[Path, Simulator], AbstractContextManager[LiveRunner]],
) -> tuple[float, float]:
    """Return the jobs per second of runner and of the bare loop, which runs before and after."""
    folder.mkdir()
    before = bare_rate(folder, bare_file)
    with Simulator(folder, *bench_setups.INSTANT) as simulator, home_of(folder / "home", simulator) as home:
        took_s = bench_setups.run(home, job_file)
    after = bare_rate(folder, bare_file)
    return JOBS / took_s, 2 / (1 / before + 1 / after)


def bare_rate(folder: Path, job_file: Path) -> float:
    """Return the jobs per second of the bare loop with a new simulator."""
    with Simulator(folder, *bench_setups.INSTANT) as simulator:
        words = [sys.executable, str(BARE), str(job_file), simulator.url]
        output = subprocess.run(words, check=True, stdout=subprocess.PIPE, timeout=600).stdout
    found = json.loads(output)
    return float(found["jobs"] / found["seconds"])
