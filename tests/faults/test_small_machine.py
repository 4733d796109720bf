"""Small resources: slower, never stuck."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from live import NO_LIMITS, RUN, Home, Simulator, write_jobs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("limits", [["--nofile=64:64"], ["--data=268435456"]], ids=["64 files", "256 MB"])
def test_a_run_in_narrow_bounds(limits: list[str], tmp_path: Path) -> None:
    """The engine, its workers and its Valkey have the same bounds."""
    prlimit = shutil.which("prlimit")
    if prlimit is None:
        pytest.skip("prlimit of util-linux is not there")
    write_jobs(tmp_path / "jobs.jsonl", 200)
    with (
        Simulator(tmp_path, *NO_LIMITS, "--median-s", "0.3") as simulator,
        Home(tmp_path, simulator, RUNNER_CONCURRENCY="8") as home,
    ):
        command = home.start_by([prlimit, *limits, sys.executable, "-m", "runner", *RUN])
        assert command.ended(90) == 0, command.said
        assert home.findings(simulator) == []
