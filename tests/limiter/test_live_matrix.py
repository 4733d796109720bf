"""`runner run` with 1, 4 and 8 workers against the strict simulator, at the API's real windows.

Three minutes each, several at a time, since they mostly wait. Each prints a row: processes, limit, 429s, part
of the limit used after the first minute.
"""

from __future__ import annotations

import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from live_runner import LiveRunner, Simulator

if TYPE_CHECKING:
    from pathlib import Path

    from live_runner import Command

MINUTE_S = 60.0
RUN_S = 170.0
CUT_AT_S = 75.0
CUT_RUN_S = 260.0
STARTING = threading.Lock()  # one at a time: an engine must be ready within 15 s
RPM_BEFORE_CUT = 480
RPM_AFTER_CUT = 360


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One server, its runs and their jobs."""

    name: str
    rpm: int = 0  # as the server enforces it; 0: no limit
    tpm: int = 0
    flags: tuple[tuple[str, ...], ...]  # of each run
    simulator: tuple[str, ...] = ("--median-s", "3")
    prompt_tokens: int = 10
    overhead_tokens: int | None = None
    run_s: float = RUN_S
    is_cut: bool = False  # the server lowers its limit during the run
    jobs_rpm: int = 240  # so fast that no run ends before the case does
    refused_max: int = 0
    used_min: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Numbers from the simulator's books."""

    accepted: int
    refused: int
    refused_late: int  # in the last minute, after a cut
    duplicates: int
    used: float  # part of the limit


NO_FLAGS: tuple[str, ...] = ()
ONE_RUN = (NO_FLAGS,)
REQUESTS = (
    Case(name="120 RPM, 2 RPS", rpm=120, flags=ONE_RUN),
    Case(name="1,800 RPM", rpm=1800, flags=ONE_RUN, used_min=0.97),
    Case(name="two runs, 600 and 120 RPM", rpm=240, flags=(("--rpm", "600"), ("--rpm", "120"))),
    Case(
        name="480 RPM, cut to 360",
        rpm=RPM_AFTER_CUT,
        flags=ONE_RUN,
        simulator=("--median-s", "3", "--announce-rpm", str(RPM_BEFORE_CUT)),
        run_s=CUT_RUN_S,
        is_cut=True,
        refused_max=10**6,
        used_min=0.85,
    ),
)
# An answer uses about 966 tokens and the prompt (the simulator's overhead, answer and reasoning). The
# estimate is the prompt, the overhead of the setting, and 100.
TOKENS = (
    Case(name="200k TPM, uses 0.5 x", tpm=200_000, flags=ONE_RUN, prompt_tokens=200, overhead_tokens=2032),
    Case(name="200k TPM, uses 1 x", tpm=200_000, flags=ONE_RUN, prompt_tokens=200, overhead_tokens=866),
    Case(name="200k TPM, uses 2 x", tpm=200_000, flags=ONE_RUN, prompt_tokens=766),
    Case(
        name="200k TPM, uses 2 x, late",
        tpm=200_000,
        flags=ONE_RUN,
        prompt_tokens=766,
        simulator=("--median-s", "45"),
        refused_max=3,  # only the estimates of late answers are in the window
        used_min=0.8,
    ),
)


def write_jobs(path: Path, case: Case, count: int, seed: int) -> None:
    """Write jobs. Their usage varies: prompts of 0.5 to 1.5 times the case's size, and medium effort."""
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            size = round(case.prompt_tokens * 4 * chance.uniform(0.5, 1.5))
            line = {
                "id": f"j-{number}",
                "model": "grok-4.3",
                "prompt": f"{seed} {number} {'word ' * (size // 5)}",
                "user": f"{seed}-{number}",
                "max_completion_tokens": 100,
                "reasoning_effort": "medium",
            }
            file.write(json.dumps(line) + "\n")


def limits(case: Case) -> tuple[str, ...]:
    rpm = RPM_BEFORE_CUT if case.is_cut else case.rpm
    return ("--rpm", str(rpm or "none"), "--tpm", str(case.tpm or "none"), *case.simulator)


def team_limits(case: Case) -> dict[str, str]:
    """Return the settings of the team: what the server allows, but where it announces more."""
    rpm = "" if case.is_cut else str(case.rpm or "none")
    return {"RUNNER_TEAM_RPM": rpm, "RUNNER_TEAM_TPM": str(case.tpm or "none")}


def measure(folder: Path, case: Case, processes: int) -> Result:
    """Run for `case.run_s`, kill all processes, and return the numbers of the books."""
    folder.mkdir()
    env = {"RUNNER_WORKERS": str(processes), **team_limits(case)}
    if case.overhead_tokens is not None:
        env["RUNNER_PROMPT_OVERHEAD_TOKENS"] = str(case.overhead_tokens)
    with Simulator(folder, *limits(case)) as simulator, LiveRunner(folder, simulator, **env) as home:
        with STARTING:
            commands = [start(home, folder, case, number) for number in range(len(case.flags))]
            home.wait_for_accepted(1, commands[0])
        ends = time.monotonic() + case.run_s
        refused_before_late = 0
        if case.is_cut:
            time.sleep(CUT_AT_S)
            simulator.switch(rpm=RPM_AFTER_CUT)
            time.sleep(ends - MINUTE_S - time.monotonic())
            refused_before_late = refused(simulator.books())
        time.sleep(max(0.0, ends - time.monotonic()))
        books = simulator.books()
        for command in commands:
            assert command.process.poll() is None, command.output
    for command in commands:
        command.process.wait()  # killed with its home
    return Result(
        accepted=books["accepted"],
        refused=refused(books),
        refused_late=refused(books) - refused_before_late,
        duplicates=books["duplicates"],
        used=share_used(books["jobs"], case),
    )


def start(home: LiveRunner, folder: Path, case: Case, number: int) -> Command:
    """Start one run of a case."""
    jobs = round(max(case.rpm, case.jobs_rpm) * (case.run_s / MINUTE_S) * 1.5)
    write_jobs(folder / f"jobs-{number}.jsonl", case, jobs, number)
    return home.start("run", f"jobs-{number}.jsonl", "-o", f"out-{number}.jsonl", *case.flags[number])


def refused(books: dict[str, Any]) -> int:
    """Return how many submits got a 429."""
    return int(books["refused"].get("429", 0))


def share_used(jobs: list[dict[str, Any]], case: Case) -> float:
    """Return the used part of the limit after the first minute; after a cut, that of the last minute."""
    times = [job["accepted_at"] for job in jobs]
    if not times or times[-1] < times[0] + 1.2 * MINUTE_S:
        return 0.0
    start = times[-1] - MINUTE_S if case.is_cut else times[0] + MINUTE_S
    steady = [job for job in jobs if job["accepted_at"] >= start]
    minutes = (steady[-1]["accepted_at"] - steady[0]["accepted_at"]) / MINUTE_S
    amount = sum(job["tokens"] for job in steady[1:]) if case.tpm else len(steady) - 1
    return float(amount / minutes / (case.tpm or case.rpm))


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("cases", [REQUESTS, TOKENS], ids=["requests", "tokens"])
@pytest.mark.parametrize("processes", [1, 4, 8])
def test_the_limit_is_used_and_not_overrun(
    cases: tuple[Case, ...], processes: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No 429 (after an unannounced cut: few), no job accepted twice, and most of the limit is used."""
    with ThreadPoolExecutor(len(cases)) as pool:
        runs = [
            pool.submit(measure, tmp_path / str(number), case, processes) for number, case in enumerate(cases)
        ]
        results = [run.result() for run in runs]
    with capsys.disabled():
        for case, one in zip(cases, results, strict=True):
            print(  # noqa: T201 - the table is what the run is for
                f"\n{processes} processes | {case.name} | {one.refused} x 429 ({one.refused_late} late)"
                f" | {one.used:.1%} used | {one.accepted} accepted, {one.duplicates} twice",
                end="",
            )
    for case, one in zip(cases, results, strict=True):
        assert one.duplicates == 0, case.name
        assert one.refused <= case.refused_max, case.name
        assert one.used >= case.used_min, case.name
