"""What a job costs as runs grow, from a thousand jobs to a million, and what memory that takes."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import bench_jobs
import chart
import page
import world
from commands import Memory
from figures import Figure
from live import NO_LIMITS, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live import Home, Role

TITLE: Final = "The cost of a job in runs of a thousand to a million; SQLite, two workers"
SIZES: Final = {1_000: 9, 10_000: 5, 100_000: 1, 1_000_000: 1}  # jobs, and how many runs of them
FLAT: Final = 0.15
MEMORY_BYTES: Final = 150e6
FROM, TO = 0.1, 0.9  # of a run: what happens at its ends does not grow with it
STEP_S: Final = 0.02
CHART: Final = page.ROOT / "docs" / "growth.svg"


class Grown(NamedTuple):
    """Microseconds of all workers' processors a job, and each role's peak of memory, early and at the end."""

    cost_us: float
    memory: dict[Role, tuple[int, int]]


def measure(folder: Path) -> Iterator[Figure]:
    """Run each size against a simulator of its own, in a new state folder; draw what a job cost."""
    costs: dict[int, float] = {}
    for size, times in SIZES.items():
        job_file = bench_jobs.write(folder / f"{size}.jsonl", size)
        runs = [_run(folder / f"{size}-{n}", job_file, size) for n in range(times)]
        costs[size] = statistics.median(run.cost_us for run in runs)
        yield Figure(what=f"{size:,} jobs", found=f"{costs[size]:,.0f} µs of the workers a job", runs=times)
    middle = statistics.median(costs.values())
    widest = max(abs(cost / middle - 1) for cost in costs.values())
    yield Figure(
        what="how far a size is from the median of all",
        found=f"{widest:.0%}",
        asked=f"≤ {FLAT:.0%}",
        met=widest <= FLAT,
    )
    for role, (early, late) in runs[-1].memory.items():
        yield Figure(
            what=f"memory of a million: {role}, its peak after a tenth and at the end",
            found=f"{early / 1e6:,.0f} and {late / 1e6:,.0f} MB",
            asked=f"< {MEMORY_BYTES / 1e6:,.0f} MB",
            met=late < MEMORY_BYTES,
        )
    CHART.write_text(chart.bars(costs, TITLE), "utf-8")


def _run(folder: Path, job_file: Path, size: int) -> Grown:
    """Watch one run: the workers' processors between a tenth and nine tenths of it, everybody's memory."""
    folder.mkdir()
    early: dict[Role, int] = {}
    with (
        Simulator(folder, *world.INSTANT) as simulator,
        world.embedded(folder / "home", simulator) as home,
        Memory(home) as memory,
    ):
        command = home.start("run", str(job_file), "-o", "out.jsonl", *NO_LIMITS)
        marks: list[tuple[int, float]] = []
        while command.process.poll() is None:
            done = _done(home)
            if (done >= FROM * size and not marks) or (done >= TO * size and len(marks) == 1):
                marks.append((done, sum(world.cpu_ns(pid) for pid in home.pids("worker")) / 1e3))
                early = early or dict(memory.peak_bytes)
            time.sleep(STEP_S if len(marks) < 2 else 0.2)
        assert command.process.returncode == 0, command.said
    (first, before_us), (last, after_us) = marks
    peaks = {role: (early.get(role, 0), peak) for role, peak in memory.peak_bytes.items()}
    return Grown((after_us - before_us) / (last - first), peaks)


def _done(home: Home) -> int:
    return home.count("SELECT SUM(n) FROM run_counters WHERE kind = 'state' AND key = 'succeeded'")
