"""Runs beside each other on one worker or eight, against the strict simulator, at the API's real windows."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING

import test_live_matrix as live_matrix
from live_runner import LiveRunner, Simulator

if TYPE_CHECKING:
    from pathlib import Path

FAST_RPM, SLOW_RPM, MODEL_RPM = 3_000, 60, 3_600
SHARED_RPM = 480
FAST, SLOW = ("--rpm", str(FAST_RPM)), ("--rpm", str(SLOW_RPM))
ALONE = live_matrix.Case(name="3,000 RPM alone", rpm=MODEL_RPM, flags=(FAST,))
PAIR = live_matrix.Case(name="3,000 and 60 RPM", rpm=MODEL_RPM, flags=(FAST, SLOW))
SHARED = live_matrix.Case(
    name="three runs at 480 RPM",
    rpm=SHARED_RPM,
    flags=live_matrix.ONE_RUN * 3,
    run_s=370.0,
    jobs_rpm=SHARED_RPM,
)


def arrivals(folder: Path, case: live_matrix.Case, processes: int) -> tuple[list[list[float]], int]:
    """Run for `case.run_s`; return when requests of each run arrived, in seconds from the first one on, and
    how many got a 429."""
    folder.mkdir()
    env = {"RUNNER_WORKERS": str(processes), **live_matrix.team_limits(case)}
    flags = live_matrix.limits(case)
    with Simulator(folder, *flags) as simulator, LiveRunner(folder, simulator, **env) as home:
        with live_matrix.STARTING:
            commands = [live_matrix.start(home, folder, case, run) for run in range(len(case.flags))]
            home.wait_for_accepted(1, commands[0])
        time.sleep(case.run_s)
        books = simulator.books()
        for command in commands:
            assert command.process.poll() is None, command.output
    for command in commands:
        command.process.wait()  # killed with its home
    began = books["jobs"][0]["accepted_at"]
    times: dict[str, list[float]] = defaultdict(list)
    for job in books["jobs"]:
        times[job["job"].partition("-")[0]].append(job["accepted_at"] - began)
    return [times[str(run)] for run in range(len(case.flags))], live_matrix.refused(books)
