"""The wall clock jumps during a run: no lease is reclaimed too early, no job waits, none is paid twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from live_runner import NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs
from shifted_clock import by_the_clock_in, set_clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hosts import Fleet

JOBS = 500
RUN = ("run", "jobs.jsonl", "-o", "out.jsonl", "--rpm", "1500", "--tpm", "none")
PACE = ("--median-s", "1.5", "--submit-ms", "60")
HOUR_S = 3600
JUMPS_S = {"+2h": 2 * HOUR_S, "-2h": -2 * HOUR_S, "+1 year": 366 * 24 * HOUR_S}


@pytest.mark.parametrize(
    "jump_s",
    [one if one == 2 * HOUR_S else pytest.param(one, marks=pytest.mark.soak) for one in JUMPS_S.values()],
    ids=JUMPS_S,
)
def test_of_a_state_folder(jump_s: float, tmp_path: Path) -> None:
    """The clock of all processes jumps, and with it the database's: SQLite has the same clock."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    clock = tmp_path / "clock"
    set_clock(clock, 0)
    with (
        Simulator(tmp_path, *NO_LIMITS, *PACE) as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_WORKERS="2", **by_the_clock_in(clock)) as home,
    ):
        home.hold_above(120, simulator)
        command = home.start(*RUN)
        home.wait_for_accepted(120, command)
        set_clock(clock, jump_s)
        simulator.switch(hold_after=None)
        wait_until(lambda: "clock.jumped" in logged(home), "the workers have noticed it")

        assert command.wait() == 0, command.output
        assert simulator.books()["accepted"] == JOBS
        assert home.count("SELECT COUNT(*) FROM jobs WHERE state = 'succeeded'") == JOBS
        assert home.count("SELECT SUM(n) FROM run_counters WHERE kind = 'extra'") == 0


def logged(home: LiveRunner) -> str:
    """Return the log of the engine and made workers."""
    return (home.path / "logs" / "engine.log").read_text()


@pytest.mark.parametrize(
    "skew_s", [2 * HOUR_S, pytest.param(-2 * HOUR_S, marks=pytest.mark.soak)], ids=["+2h", "-2h"]
)
def test_of_a_worker_whose_clock_is_off(skew_s: float, fleet: Callable[..., Fleet]) -> None:
    """On shared servers the database's clock counts; a worker with a wrong clock reclaims no valid lease."""
    made = fleet(*PACE)
    clock = made.folder / "clock"
    set_clock(clock, skew_s)
    home, other = made.host("a"), made.host("b", **by_the_clock_in(clock))
    write_jobs(home.folder / "jobs.jsonl", 200)
    home.worker("--beat")
    other.worker("--beat")
    command = home.start(*RUN)
    assert command.wait() == 0, command.output
    assert home.ledger_errors(made.simulator) == []
    assert made.simulator.books()["accepted"] == 200
    assert home.count("SELECT COUNT(DISTINCT worker) FROM attempts") == 2
