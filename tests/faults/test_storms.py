"""Storms of 429: for some seconds all requests are refused, then half of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from live_runner import NO_LIMITS, RUN, LiveRunner, Simulator, write_jobs

if TYPE_CHECKING:
    from pathlib import Path

JOBS = 150
STORM_S = 4.0
REFUSED = "FROM attempts WHERE outcome = 'refused_for_now'"
REFUSED_AT_ONCE = (  # within the storm at its shortest
    f"SELECT COUNT(*) {REFUSED} AND sent_at_ms < {STORM_S * 1000} + (SELECT MIN(sent_at_ms) {REFUSED})"
)


@pytest.mark.parametrize(
    "retry_after",
    [(), pytest.param(("--retry-after", "1"), marks=pytest.mark.soak)],
    ids=["silent", "with Retry-After"],
)
def test_a_storm_of_429_costs_no_attempts(retry_after: tuple[str, ...], tmp_path: Path) -> None:
    """No job fails, none is sent twice, and requests become rarer during the storm."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    pace = ("--median-s", "0.3", "--submit-ms", "20", *retry_after)
    with Simulator(tmp_path, *NO_LIMITS, *pace) as simulator, LiveRunner(tmp_path, simulator) as home:
        simulator.switch(hold_after=20)
        command = home.start(*RUN, "--max-attempts", "2")
        home.wait_for_accepted(20, command)
        simulator.switch(faults={"429": 1.0}, hold_after=None)
        time.sleep(STORM_S)  # the length of the storm
        simulator.switch(faults={"429": 0.5})
        time.sleep(STORM_S / 2)
        simulator.switch(faults={})

        assert command.wait() == 0
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["accepted"] == JOBS
        assert home.count(REFUSED_AT_ONCE) <= 8 * STORM_S
