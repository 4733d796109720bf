"""The CPU time of a job and the peak memory in runs of a thousand to a million jobs."""

from __future__ import annotations

import statistics
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import bench_jobs
import bench_setups
import chart
import page
from commands import Memory
from figures import Figure, spread
from live_runner import NO_LIMITS, Simulator, wait_until

from runner.embedded.state_folder import StateFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live_runner import LiveRunner, Role

TITLE: Final = "Processor time of a job in runs of 1,000 to 1,000,000 jobs; SQLite, two workers"
SIZES: Final = {1_000: 7, 10_000: 3, 100_000: 1, 1_000_000: 1}  # jobs, and how many runs of them
FLAT: Final = 0.15
MEMORY_BYTES: Final = 150e6
WARM: Final = 500  # jobs, run twice before: both workers have started and executed every kind of statement
FEW, FEW_TIMES = 10, 5  # jobs and number of small runs, for the cost of a run without its jobs
EARLY: Final = 0.1
STEP_S: Final = 0.02
LONG: Final = 50_000
CHART: Final = page.ROOT / "docs" / "growth.svg"


class Grown(NamedTuple):
    """CPU times of one run in microseconds, and by role the peak memory after a tenth and at the end.

    The simulator does the same work for every job at the same time, so it shows slow moments of the machine.
    """

    workers_us: float
    simulator_us: float
    start_us: float
    memory: dict[Role, tuple[int, int]]


def measure(folder: Path) -> Iterator[Figure]:
    """Run each size with a new simulator and state folder; draw the cost of a job as a chart."""
    costs: dict[int, float] = {}
    ratios: dict[int, float] = {}
    starts: list[float] = []
    warm = bench_jobs.write(folder / "warm.jsonl", WARM)
    few = bench_jobs.write(folder / "few.jsonl", FEW)
    alone_us = [_run(folder / f"few-{n}", warm, few, FEW).workers_us for n in range(FEW_TIMES)]
    once_us = statistics.median(alone_us)
    for size, times in SIZES.items():
        job_file = bench_jobs.write(folder / f"{size}.jsonl", size)
        runs = [_run(folder / f"{size}-{n}", warm, job_file, size) for n in range(times)]
        starts += [run.start_us for run in runs]
        costs[size] = statistics.median((run.workers_us - once_us) / size for run in runs)
        ratios[size] = statistics.median((run.workers_us - once_us) / run.simulator_us for run in runs)
        simulator_us = statistics.median(run.simulator_us / size for run in runs)
        yield Figure(
            what=f"{size:,} jobs",
            found=f"{costs[size]:,.0f} µs of worker CPU a job, {ratios[size]:.2f} x",
            beside=f"the simulator {simulator_us:,.0f} µs",
            runs=times,
        )
    yield Figure(
        what=f"besides, once per run: a run of {FEW} jobs",
        found=f"{spread([us / 1e3 for us in alone_us], 0)} ms of worker CPU",
        runs=FEW_TIMES,
    )
    yield Figure(
        what=f"before, once: two workers start and send their first {2 * WARM:,} jobs",
        found=f"{spread([start_us / 1e6 for start_us in starts])} s of worker CPU",
        runs=len(starts),
    )
    middle = statistics.median(ratios.values())
    widest = max(abs(ratio / middle - 1) for ratio in ratios.values())
    yield Figure(
        what="the largest distance of a ratio from the median of all",
        found=f"{widest:.0%}",
        asked=f"≤ {FLAT:.0%}",
        met=widest <= FLAT,
    )
    for role, (early, late) in runs[-1].memory.items():
        yield Figure(
            what=f"memory with a million jobs: {role}, peak after a tenth and at the end",
            found=f"{early / 1e6:,.0f} and {late / 1e6:,.0f} MB",
            asked=f"< {MEMORY_BYTES / 1e6:,.0f} MB",
            met=late < MEMORY_BYTES,
        )
    CHART.write_text(chart.bars(costs, TITLE), "utf-8")


def _run(folder: Path, warm: Path, job_file: Path, size: int) -> Grown:
    """Run once; return the CPU times until the last result and the memory of all processes."""
    folder.mkdir()
    early: dict[Role, int] = {}
    with (
        Simulator(folder, *bench_setups.INSTANT) as simulator,
        bench_setups.embedded(folder / "home", simulator) as home,
        _warmed(home, warm),
        Memory(home) as memory,
    ):
        workers = sorted(home.pids("worker"))
        start_us, idle_us = _cpu_us(workers), _cpu_us([simulator.pid])
        command = home.start("run", str(job_file), "-o", "out.jsonl", *NO_LIMITS)
        workers_us = simulator_us = 0.0
        while command.process.poll() is None:
            done = _done(home) - 2 * WARM
            if done >= EARLY * size and not early:
                early = dict(memory.peak_bytes)
            if done >= size and not workers_us:
                workers_us = _cpu_us(workers) - start_us
                simulator_us = _cpu_us([simulator.pid]) - idle_us
            time.sleep(STEP_S if size < LONG else 10 * STEP_S)
        assert command.process.returncode == 0, command.output
        assert sorted(home.pids("worker")) == workers, "a worker was replaced"
    peaks = {role: (early.get(role, 0), peak) for role, peak in memory.peak_bytes.items()}
    return Grown(workers_us, simulator_us, start_us, peaks)


@contextmanager
def _warmed(home: LiveRunner, warm: Path) -> Iterator[None]:
    """Start both workers with two runs, and keep them running during the block."""
    watcher = StateFolder(home.path).attached_lock()
    try:
        for name in ("first", "second"):
            command = home.start("run", str(warm), "--new", "-o", f"{name}.jsonl", *NO_LIMITS)
            wait_until(lambda: len(home.pids("worker")) == bench_setups.WORKERS, "both workers have started")
            watcher.acquire_shared()
            assert command.wait() == 0
        yield
    finally:
        watcher.release()


def _cpu_us(pids: list[int]) -> float:
    return sum(bench_setups.cpu_ns(pid) for pid in pids) / 1e3


def _done(home: LiveRunner) -> int:
    return home.count("SELECT SUM(n) FROM run_counters WHERE kind = 'state' AND key = 'succeeded'")
