"""The wall clock is set in the middle of a run: nothing is stolen, nothing starves, nothing is paid twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live import NO_LIMITS, Home, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts import Fleet

SHIM = Path(__file__).parents[1] / "clock_shim"
JOBS = 500
RUN = ("run", "jobs.jsonl", "-o", "out.jsonl", "--rpm", "1500", "--tpm", "none")
PACE = ("--median-s", "1.5", "--submit-ms", "60")
HOUR_S = 3600
JUMPS_S = {"+2h": 2 * HOUR_S, "-2h": -2 * HOUR_S, "+1 year": 366 * 24 * HOUR_S}


def by_the_clock_in(file: Path) -> dict[str, str]:
    """Return an environment whose wall clock is as a file says; the steady clocks are the machine's."""
    return {"PYTHONPATH": str(SHIM), "TEST_CLOCK_FILE": str(file)}


def set_clock(file: Path, ahead_s: float) -> None:
    """Set it, at once for everybody."""
    draft = file.with_name("draft")
    draft.write_text(str(ahead_s))
    draft.replace(file)


@pytest.mark.parametrize(
    "jump_s",
    [one if one > 0 else pytest.param(one, marks=pytest.mark.soak) for one in JUMPS_S.values()],
    ids=JUMPS_S,
)
def test_of_a_state_folder(jump_s: float, tmp_path: Path) -> None:
    """Everybody's clock jumps, that of the database included: it is the same."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    clock = tmp_path / "clock"
    set_clock(clock, 0)
    with (
        Simulator(tmp_path, *NO_LIMITS, *PACE) as simulator,
        Home(tmp_path, simulator, RUNNER_WORKERS="2", **by_the_clock_in(clock)) as home,
    ):
        command = home.start(*RUN)
        home.reach(120, command)
        set_clock(clock, jump_s)
        wait_until(lambda: "clock.jumped" in logged(home), "the workers have seen it")

        assert command.ended(120) == 0, command.said
        assert simulator.books()["accepted"] == JOBS
        assert home.count("SELECT COUNT(*) FROM jobs WHERE state = 'succeeded'") == JOBS
        assert home.count("SELECT SUM(n) FROM run_counters WHERE kind = 'extra'") == 0


def logged(home: Home) -> str:
    """Return what the engine and its workers logged."""
    return (home.path / "logs" / "engine.log").read_text()


@pytest.mark.parametrize(
    "skew_s", [2 * HOUR_S, pytest.param(-2 * HOUR_S, marks=pytest.mark.soak)], ids=["+2h", "-2h"]
)
def test_of_a_worker_whose_clock_is_off(skew_s: float, fleet: Callable[..., Fleet]) -> None:
    """On shared servers the database's clock counts, and one that is off steals from nobody."""
    its = fleet(*PACE)
    clock = its.folder / "clock"
    set_clock(clock, skew_s)
    home, other = its.host("a"), its.host("b", **by_the_clock_in(clock))
    write_jobs(home.folder / "jobs.jsonl", 200)
    home.worker("--beat")
    other.worker("--beat")
    command = home.start(*RUN)
    assert command.ended(90) == 0, command.said
    assert home.findings(its.simulator) == []
    assert its.simulator.books()["accepted"] == 200
    assert home.count("SELECT COUNT(DISTINCT worker) FROM attempts") == 2
