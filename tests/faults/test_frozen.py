"""A worker is frozen for longer than made leases: others reclaim them, and the late worker moves nothing."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import pytest
from live_runner import NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hosts import Fleet

JOBS = 600
IN_FLIGHT = 8
# The lease of a worker that sends no heartbeat holds for 30 s at least.
TIMES = {"RUNNER_READ_TIMEOUT_S": "20", "RUNNER_CONNECT_TIMEOUT_S": "5", "RUNNER_LEASE_S": "28"}
RUN = ("run", "jobs.jsonl", "-o", "out.jsonl", "--rpm", "720", "--tpm", "none")
PACE = ("--median-s", "0.5", "--submit-ms", "80")
LEASED = "SELECT lease_owner, COUNT(*) FROM jobs WHERE state IN ('submitting', 'collecting') GROUP BY 1"


def freeze_and_thaw(home: LiveRunner) -> None:
    """Stop a worker that has leases; continue it when all of them were reclaimed."""
    pids: dict[int, int] = {}

    def caught() -> bool:
        pids.update(home.query("SELECT id, pid FROM workers WHERE ended_at_ms IS NULL"))
        for owner, _ in home.query(LEASED):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids[owner], signal.SIGSTOP)
                if owner in dict(home.query(LEASED)):
                    pids[0] = owner
                    return True
                os.kill(pids[owner], signal.SIGCONT)
        return False

    wait_until(caught, "a worker that has leases is stopped")
    owner = pids[0]
    wait_until(lambda: owner not in dict(home.query(LEASED)), "its leases are reclaimed")
    os.kill(pids[owner], signal.SIGCONT)


@pytest.mark.soak
def test_a_frozen_worker_of_a_state_folder(tmp_path: Path) -> None:
    """No line is there twice, no result is overwritten, and at most what was in flight is paid twice."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with (
        Simulator(tmp_path, *NO_LIMITS, *PACE) as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_WORKERS="2", **TIMES) as home,
    ):
        command = home.start(*RUN)
        home.wait_for_accepted(100, command)
        freeze_and_thaw(home)
        assert command.wait() in (0, 1)
        assert home.ledger_errors(simulator, crashed=True) == []
        assert simulator.books()["accepted"] <= JOBS + IN_FLIGHT


def test_a_frozen_worker_of_a_fleet(fleet: Callable[..., Fleet]) -> None:
    """The same on shared servers."""
    made = fleet(*PACE)
    home, other = made.host("a", **TIMES), made.host("b", **TIMES)
    write_jobs(home.folder / "jobs.jsonl", JOBS)
    home.worker("--beat")
    other.worker("--beat")
    command = home.start(*RUN)
    home.wait_for_accepted(100, command)
    freeze_and_thaw(home)
    assert command.wait() in (0, 1)
    assert home.ledger_errors(made.simulator, crashed=True) == []
    assert made.simulator.books()["accepted"] <= JOBS + IN_FLIGHT
