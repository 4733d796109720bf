"""A worker frozen for longer than its lease: the others take over, and the late one moves nothing."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import pytest
from live import NO_LIMITS, Home, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hosts import Fleet

JOBS = 600
IN_FLIGHT = 8
TIMES = {"RUNNER_READ_TIMEOUT_S": "3", "RUNNER_CONNECT_TIMEOUT_S": "1", "RUNNER_LEASE_S": "6"}
RUN = ("run", "jobs.jsonl", "-o", "out.jsonl", "--rpm", "720", "--tpm", "none")
PACE = ("--median-s", "0.5", "--submit-ms", "80")
HELD = "SELECT lease_owner, COUNT(*) FROM jobs WHERE state IN ('submitting', 'collecting') GROUP BY 1"


def freeze_and_thaw(home: Home) -> None:
    """Stop the worker that holds jobs right now; let it go on when nothing is in its name any more."""
    pids: dict[int, int] = {}

    def caught() -> bool:
        pids.update(home.query("SELECT id, pid FROM workers WHERE ended_at_ms IS NULL"))
        for owner, _ in home.query(HELD):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids[owner], signal.SIGSTOP)
                if owner in dict(home.query(HELD)):
                    pids[0] = owner
                    return True
                os.kill(pids[owner], signal.SIGCONT)
        return False

    wait_until(caught, "a worker is caught with jobs in its hands")
    owner = pids[0]
    wait_until(lambda: owner not in dict(home.query(HELD)), "its jobs are taken over", 90)
    os.kill(pids[owner], signal.SIGCONT)


@pytest.mark.soak
@pytest.mark.timeout(240)
def test_a_frozen_worker_of_a_state_folder(tmp_path: Path) -> None:
    """No double line, no overwritten answer, and at most what was in flight is paid twice."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with (
        Simulator(tmp_path, *NO_LIMITS, *PACE) as simulator,
        Home(tmp_path, simulator, RUNNER_WORKERS="2", **TIMES) as home,
    ):
        command = home.start(*RUN)
        home.reach(100, command)
        freeze_and_thaw(home)
        assert command.ended(120) in (0, 1)
        assert home.findings(simulator, crashed=True) == []
        assert simulator.books()["accepted"] <= JOBS + IN_FLIGHT


@pytest.mark.timeout(240)
def test_a_frozen_worker_of_a_fleet(fleet: Callable[..., Fleet]) -> None:
    """The same on shared servers."""
    its = fleet(*PACE)
    home, other = its.host("a", **TIMES), its.host("b", **TIMES)
    write_jobs(home.folder / "jobs.jsonl", JOBS)
    home.worker("--beat")
    other.worker("--beat")
    command = home.start(*RUN)
    home.reach(100, command)
    freeze_and_thaw(home)
    assert command.ended(120) in (0, 1)
    assert home.findings(its.simulator, crashed=True) == []
    assert its.simulator.books()["accepted"] <= JOBS + IN_FLIGHT
