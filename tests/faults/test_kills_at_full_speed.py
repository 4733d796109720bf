"""kill -9 of the engine and all its children, four times at full speed: the same command ends with 0.

What was in flight at a kill comes back as 404s and unknown outcomes. They are extras, and no reason to pause.
"""

from __future__ import annotations

import random
import sys
import time
from typing import TYPE_CHECKING

import pytest
from live_runner import NO_LIMITS, LiveRunner, Simulator, write_jobs

if TYPE_CHECKING:
    from pathlib import Path

JOBS, KILLS, ROUNDS = 4_000, 4, 20
IN_FLIGHT = 16  # HTTP requests of the two worker processes that so many jobs get
LONG_S = 280.0


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_run_killed_four_times_ends_by_itself(seed: int, tmp_path: Path) -> None:
    """No job is lost or held, no run is paused, and each kill costs at most what was in flight."""
    chance = random.Random(seed)
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with (
        Simulator(tmp_path, *NO_LIMITS, "--median-s", "0.3", seed=seed) as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        command = home.start()
        for number in range(1, KILLS + 1):
            home.wait_for_accepted(number * JOBS // (KILLS + 1) + chance.randrange(100), command)
            time.sleep(chance.random() * 0.2)  # so that some points are between two commits
            home.kill()
            command = home.start()
        code = command.wait(LONG_S)
        accepted = simulator.books()["accepted"]
        reasons = dict(home.query("SELECT key, SUM(n) FROM run_counters WHERE kind = 'extra' GROUP BY key"))
        sys.stdout.write(f"seed {seed}: exit {code}, {accepted - JOBS} paid twice, {reasons}\n")

        assert home.query("SELECT kind, cause FROM run_events WHERE kind = 'paused'") == []
        assert code == 0, command.output
        assert home.ledger_errors(simulator, crashed=True) == []
        assert accepted - JOBS <= KILLS * IN_FLIGHT
