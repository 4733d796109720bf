"""Few file descriptors or little memory: a run is slower and never hangs."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from live_runner import NO_LIMITS, RUN, LiveRunner, Simulator, write_jobs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("limits", [["--nofile=64:64"], ["--data=268435456"]], ids=["64 files", "256 MB"])
def test_a_run_in_narrow_bounds(limits: list[str], tmp_path: Path) -> None:
    """The limits apply to engine, workers and Valkey, too."""
    prlimit = shutil.which("prlimit")
    if prlimit is None:
        pytest.skip("prlimit of util-linux is not there")
    write_jobs(tmp_path / "jobs.jsonl", 200)
    with (
        Simulator(tmp_path, *NO_LIMITS, "--median-s", "0.3") as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_CONCURRENCY="8") as home,
    ):
        command = home.start_command([prlimit, *limits, sys.executable, "-m", "runner", *RUN])
        assert command.wait() == 0, command.output
        assert home.ledger_errors(simulator) == []
