"""Nights on shared servers: workers of another host take their steps, and are killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from typing import TYPE_CHECKING

from live_runner import wait_until
from suite_folder import EPOCHS, ITEMS, write_suite

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hosts import Fleet, Host

EVAL = ("eval", "sums.suite.toml", "--rpm", "none", "--tpm", "none", "--occasion")
REQUESTS = ITEMS * EPOCHS
IN_FLIGHT = 8
KILLS = 3
PATTERN = """
[[grader]]
name = "number"
type = "regex"
pattern = "([0-9]+)"
"""


def kill_a_worker(host: Host) -> None:
    """kill -9 a worker process; its service starts another."""
    alive = "SELECT pid FROM workers WHERE ended_at_ms IS NULL"
    wait_until(lambda: host.query(alive), "a worker is alive")
    with contextlib.suppress(ProcessLookupError, IndexError):
        os.kill(host.query(alive)[0][0], signal.SIGKILL)


def wait_for_accepted(made: Fleet, accepted: int) -> None:
    """Wait until the simulator has accepted that many submissions."""
    wait_until(lambda: made.simulator.books()["accepted"] >= accepted, "requests are accepted")


def test_workers_end_a_night_whose_suite_is_elsewhere(fleet: Callable[..., Fleet], tmp_path: Path) -> None:
    """A drop is measured twice, its command is called once, and kills cost what was in flight."""
    write_suite(tmp_path)
    made = fleet("--median-s", "0.2", "--submit-ms", "20", "--answers", str(tmp_path / "answers.jsonl"))
    host, other = made.host("a"), made.host("b")
    suite = write_suite(host.folder)
    suite.write_text(suite.read_text() + PATTERN)
    other.worker("--processes", "2", "--beat")
    for night in ("n1", "n2", "n3"):
        command = host.start(*EVAL, night)
        assert command.wait() == 0, command.output

    made.simulator.switch(shift=-0.6)
    before, called = made.simulator.books()["accepted"], tmp_path / "called.txt"
    command = host.start(*EVAL, "bg", "--detach", "--on-end", f"echo $RUN_VERDICT >>{called}")
    assert command.wait() == 0, command.output
    elsewhere = host.folder.rename(tmp_path / "elsewhere")
    for number in range(1, KILLS + 1):
        wait_for_accepted(made, before + number * REQUESTS // 2)
        kill_a_worker(other)
    wait_until(called.exists, "the command of the night is called")
    elsewhere.rename(host.folder)

    command = host.start(*EVAL, "bg")
    assert command.wait() == 10, command.output
    assert called.read_text().split() == ["regressed"]
    report = json.loads((host.folder / "sums.bg.eval.json").read_text())
    assert report["answers"]["answered"] == 2 * REQUESTS
    assert [grader["measured"] for grader in report["graders"]] == [2 * REQUESTS] * 3
    paid = made.simulator.books()["accepted"] - before
    assert 2 * REQUESTS <= paid <= 2 * REQUESTS + KILLS * IN_FLIGHT
    stored = "SELECT n.name, COUNT(*) FROM eval_verdicts v JOIN eval_nights n ON n.id = v.night_id GROUP BY 1"
    assert dict(host.query(stored)) == {"sums@n1": 1, "sums@n2": 1, "sums@n3": 1, "sums@bg": 1}
