"""The used share of the limits in real runs of three minutes with the strict simulator, 1 and 8 workers.

Besides, what runs with limits of their own take from each other, and whether runs share a limit equally.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from figures import Figure
from minute_windows import WINDOW_S, fewest_and_most

sys.path.insert(0, str(Path(__file__).parents[1] / "limiter"))

import live_runs
import test_live_matrix as live_matrix

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLE: Final = "Share of the limit used, and 429s: three minutes each, counted after the first minute"
POINTS: Final = {"120 RPM, 2 RPS": 0.96, "1,800 RPM": 0.99, "200k TPM, uses 1 x": 0.95}
PROCESSES: Final = (1, 8)
KEEPS: Final = 0.95
SLOW_FEWEST: Final = 57
PARTS_APART: Final = 0.05


def measure(folder: Path) -> Iterator[Figure]:
    """Run all points in parallel, first with one worker each, then with eight."""
    cases = [case for case in (*live_matrix.REQUESTS, *live_matrix.TOKENS) if case.name in POINTS]
    for processes in PROCESSES:
        with ThreadPoolExecutor(len(cases)) as pool:
            runs = [
                pool.submit(live_matrix.measure, folder / f"{processes}-{at}", case, processes)
                for at, case in enumerate(cases)
            ]
        for case, run in zip(cases, runs, strict=True):
            found, least = run.result(), POINTS[case.name]
            yield Figure(
                what=f"{case.name}; {processes} worker{'s' if processes > 1 else ''}",
                found=f"{found.used:.1%} used, {found.refused} x 429",
                beside=f"{found.accepted:,} accepted, {found.duplicates} twice",
                asked=f"≥ {least:.0%}, no 429",
                met=found.used >= least and not found.refused and not found.duplicates,
            )
    for processes in PROCESSES:
        yield from _several_runs(folder / f"{processes}-runs", processes)


def _several_runs(folder: Path, processes: int) -> Iterator[Figure]:
    """Measure a fast and a slow run beside the fast one alone, and three runs that share a limit."""
    folder.mkdir()
    workers = f"{processes} worker{'s' if processes > 1 else ''}"
    cases = (live_runs.ALONE, live_runs.PAIR, live_runs.SHARED)
    with ThreadPoolExecutor(len(cases)) as pool:
        started = [
            pool.submit(live_runs.arrivals, folder / str(at), case, processes)
            for at, case in enumerate(cases)
        ]
    (alone, pair, shared) = (one.result() for one in started)
    kept = _a_minute(pair[0][0]) / _a_minute(alone[0][0])
    fewest, most = fewest_and_most(pair[0][1], live_runs.PAIR.run_s)
    refused = alone[1] + pair[1]
    yield Figure(
        what=f"runs of 3,000 and of 60 RPM; {workers}",
        found=f"{kept:.1%} of the fast one's rate alone, {refused} x 429",
        beside=f"the slow one {fewest} to {most} in any minute",
        asked=f"≥ {KEEPS:.0%}; {SLOW_FEWEST} to {live_runs.SLOW_RPM}; no 429",
        met=kept >= KEEPS and fewest >= SLOW_FEWEST and most <= live_runs.SLOW_RPM and not refused,
    )
    parts = [sum(at > WINDOW_S for at in times) for times in shared[0]]
    mean = sum(parts) / len(parts)
    apart = max(abs(part - mean) for part in parts) / mean
    yield Figure(
        what=f"three runs that share 480 RPM, over five minutes; {workers}",
        found=f"{apart:.1%} from equal parts, {shared[1]} x 429",
        beside=", ".join(f"{part:,}" for part in parts),
        asked=f"≤ {PARTS_APART:.0%}, no 429",
        met=apart <= PARTS_APART and not shared[1],
    )


def _a_minute(times: list[float]) -> float:
    """Return the requests a minute of a run, after its first minute."""
    steady = [at for at in times if at > times[0] + WINDOW_S]
    return (len(steady) - 1) / (steady[-1] - steady[0]) * WINDOW_S
