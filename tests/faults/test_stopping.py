"""Signals, a second terminal, a reboot: whoever stops what, the same command goes on, and pays once."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from live import NO_LIMITS, RUN, Home, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOBS = 250
SOME = 60
PACE = ("--median-s", "0.5", "--submit-ms", "40")


@contextmanager
def at_work(folder: Path) -> Iterator[tuple[Simulator, Home]]:
    """Give a job file, a simulator without limits and an empty state folder."""
    write_jobs(folder / "jobs.jsonl", JOBS)
    with Simulator(folder, *NO_LIMITS, *PACE) as simulator, Home(folder, simulator) as home:
        yield simulator, home


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_in_good_order_and_nothing_is_paid_twice(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    """What is in flight is finished, every process ends, and what waits at xAI is fetched the next time."""
    with at_work(tmp_path) as (simulator, home):
        command = home.start()
        home.reach(SOME, command)
        os.kill(command.pid, number)

        assert command.ended(within_s=20) == code
        wait_until(home.is_quiet, "everything has ended with the command")
        assert "to go on: runner run jobs.jsonl" in command.said
        assert home.count("SELECT COUNT(*) FROM jobs WHERE state IN ('submitting', 'collecting')") == 0

        assert home.start().ended() == 0
        assert home.findings(simulator) == []
        assert simulator.books()["accepted"] == JOBS


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_stops_at_once(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """The command leaves without waiting for a reply that hangs; the engine finishes by itself."""
    write_jobs(tmp_path / "jobs.jsonl", 20)
    slow = ("--instant", "--fault", "submit:hang=1", "--hang-s", "30")
    with (
        Simulator(tmp_path, *NO_LIMITS, *slow) as simulator,
        Home(tmp_path, simulator, RUNNER_READ_TIMEOUT_S="6") as home,
    ):
        command = home.start()
        wait_until(lambda: simulator.books()["faults"].get("hang", 0) >= 8, "all connections hang")
        wait_until(lambda: "so far" in command.said, "the command follows the run")
        os.kill(command.pid, number)
        wait_until(lambda: "press again" in command.said, "the first signal is answered")
        os.kill(command.pid, number)

        assert command.ended(within_s=3) == code
        wait_until(home.is_quiet, "the engine ends after its last reply")
        simulator.switch(faults={})
        assert home.start().ended() == 0
        assert home.findings(simulator) == []


def test_two_terminals_share_one_run(tmp_path: Path) -> None:
    """One engine, one POST a job, both commands end well and tell the same."""
    with at_work(tmp_path) as (simulator, home):
        commands = [home.start(), home.start()]

        assert [command.ended() for command in commands] == [0, 0]
        assert home.findings(simulator) == []
        assert simulator.books()["accepted"] == JOBS
        assert home.query("SELECT COUNT(*) FROM runs") == [(1,)]
        assert (home.path / "logs" / "engine.log").read_text().count("engine.ready") == 1


def test_one_terminal_leaves_and_the_other_stays(tmp_path: Path) -> None:
    """Ctrl-C in one does not stop the work that the other watches."""
    with at_work(tmp_path) as (simulator, home):
        stays, leaves = home.start(), home.start()
        home.reach(SOME, leaves)
        os.kill(leaves.pid, signal.SIGINT)

        assert leaves.ended(within_s=5) == 130
        assert stays.ended() == 0
        assert home.findings(simulator) == []
        assert simulator.books()["accepted"] == JOBS


def test_a_reboot_costs_no_more_than_what_was_in_flight(tmp_path: Path) -> None:
    """All processes gone at once, Valkey's data with them: the database knows all that matters."""
    with at_work(tmp_path) as (simulator, home):
        home.reach(SOME, home.start())
        home.kill()
        shutil.rmtree(home.path / "valkey")

        assert home.start(*RUN).ended() == 0
        assert home.findings(simulator, crashed=True) == []
        assert simulator.books()["accepted"] <= JOBS + 8
