"""The database of a state folder is gone, or nobody works on a run: commands say what is, not what was."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

from cli_calls import run_command
from live_runner import NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from pathlib import Path

JOBS = 30
SLOWLY = ("--median-s", "3600", "--sigma", "0")


def test_a_database_that_is_removed_during_a_run(tmp_path: Path) -> None:
    """The command that follows the run ends, and so does the engine; later ones say that it is gone."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with Simulator(tmp_path, *NO_LIMITS, *SLOWLY) as simulator, LiveRunner(tmp_path, simulator) as home:
        command = home.start()
        home.wait_for_accepted(JOBS, command)
        home.database.unlink()

        assert command.wait() == 5
        assert f"the database {home.database} was removed or replaced while it was in use" in command.output
        wait_until(home.has_no_processes, "the engine ends")
        for words in (("status",), ("list",), ("watch", "1")):
            done = run_command(words, tmp_path, home.env, 5)
            assert f"the database {home.database} is gone" in done.stderr
            assert "fix: put it back, or begin anew: runner run FILE" in done.stderr
        done = run_command(("doctor", "--json", "database"), tmp_path, home.env)
        assert f"the database {home.database} is gone" in json.loads(done.stdout)["checks"][-1]["told"]
        done = run_command(("load", "jobs.jsonl"), tmp_path, home.env)
        assert f"warning: the database {home.database} is gone" in done.stderr
        assert "loaded 30 jobs as run 1" in done.stderr
        assert run_command(("list",), tmp_path, home.env).stderr == ""


def test_nobody_works_on_the_run_of_a_killed_command(tmp_path: Path) -> None:
    """Its engine finishes what is in flight, which may take a minute, and begins nothing."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with Simulator(tmp_path, *NO_LIMITS, *SLOWLY) as simulator, LiveRunner(tmp_path, simulator) as home:
        home.hold_above(4, simulator)
        command = home.start()
        home.wait_for_accepted(4, command)
        wait_until(lambda: home.count("SELECT COUNT(*) FROM jobs WHERE state = 'submitting'"), "one is held")
        os.kill(command.pid, signal.SIGKILL)
        command.process.wait()

        def found() -> dict[str, object] | None:
            done = run_command(("status", "--json"), tmp_path, home.env)
            no_worker: dict[str, object] | None = json.loads(done.stdout)["no_worker"]
            return no_worker

        wait_until(found, "nobody works on it")
        assert home.pids("engine")
        no_worker = found()
        assert no_worker is not None
        assert no_worker["command"] == "runner start 1"
        assert "to continue: runner start 1" in run_command(("status",), tmp_path, home.env).stdout
        listed = run_command(("list",), tmp_path, home.env).stdout
        assert "running, no worker" in listed
        assert "to continue: runner start 1" in listed
