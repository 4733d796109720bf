"""kill -9 of worker processes and of whole hosts, on shared servers."""

from __future__ import annotations

import os
import random
import signal
from typing import TYPE_CHECKING

import pytest
from live_runner import wait_until, write_jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts import Fleet

JOBS = 400
IN_FLIGHT = 8
KILLS = 6


@pytest.mark.parametrize("seed", [3, pytest.param(17, marks=pytest.mark.soak)])
def test_a_run_survives_kills_of_its_workers(fleet: Callable[..., Fleet], seed: int) -> None:
    """Killed processes are replaced; nothing is lost, and each kill costs at most what was in flight."""
    made = fleet("--median-s", "0.4", "--submit-ms", "30")
    host = made.host("a")
    write_jobs(host.folder / "jobs.jsonl", JOBS)
    host.worker("--processes", "2", "--beat")
    command = host.start("run", "jobs.jsonl", "-o", "out.jsonl", "--rpm", "2400", "--tpm", "none")
    chance = random.Random(seed)
    alive = "SELECT pid FROM workers WHERE ended_at_ms IS NULL"
    for point in sorted(chance.sample(range(10, JOBS - 50, 20), KILLS)):
        host.hold_above(point, made.simulator)
        host.wait_for_accepted(point, command)
        pids: list[tuple[int]] = []
        while not pids:  # the last one may be recovered after the wait
            wait_until(lambda: host.query(alive), "a worker is alive")
            pids = host.query(alive)
        (pid,) = chance.choice(pids)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it was killed before, and is not recovered yet
            continue

    made.simulator.switch(hold_after=None)
    assert command.wait() in (0, 1), command.output
    assert host.ledger_errors(made.simulator, crashed=True) == []
    assert made.simulator.books()["accepted"] <= JOBS + KILLS * IN_FLIGHT
