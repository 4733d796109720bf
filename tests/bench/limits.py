"""The used share of the limits in real runs of three minutes with the strict simulator, 1 and 8 workers."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from figures import Figure

sys.path.insert(0, str(Path(__file__).parents[1] / "limiter"))

import test_live_matrix as live_matrix

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLE: Final = "Share of the limit used, and 429s: three minutes each, counted after the first minute"
POINTS: Final = {"120 RPM, 2 RPS": 0.96, "1,800 RPM": 0.99, "200k TPM, uses 1 x": 0.95}
PROCESSES: Final = (1, 8)


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
