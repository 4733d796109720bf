"""Signals, a second terminal, a reboot: the same command resumes the run, and no job is paid twice."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from live_runner import NO_LIMITS, RUN, LiveRunner, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOBS = 250
SOME = 60
IN_FLIGHT = 8
PACE = ("--median-s", "0.5", "--submit-ms", "40")
FOLLOWS = " waiting, "  # in the first line that a command prints of its run
SENDING = "SELECT COUNT(*) FROM jobs WHERE state = 'submitting'"


@contextmanager
def at_work(folder: Path) -> Iterator[tuple[Simulator, LiveRunner]]:
    """Write a job file; yield a simulator without limits and an empty state folder."""
    write_jobs(folder / "jobs.jsonl", JOBS)
    with Simulator(folder, *NO_LIMITS, *PACE) as simulator, LiveRunner(folder, simulator) as home:
        yield simulator, home


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_in_good_order_and_nothing_is_paid_twice(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    """Requests in flight are finished, every process ends, and waiting results are fetched the next time."""
    with at_work(tmp_path) as (simulator, home):
        simulator.switch(hold_after=SOME)
        command = home.start()
        home.wait_for_accepted(SOME, command)
        wait_until(lambda: FOLLOWS in command.output, "the command follows the run")
        os.kill(command.pid, number)
        simulator.switch(hold_after=None)

        assert command.wait() == code
        wait_until(home.has_no_processes, "everything has ended with the command")
        assert "to continue: runner run jobs.jsonl" in command.output
        assert home.count("SELECT COUNT(*) FROM jobs WHERE state IN ('submitting', 'collecting')") == 0

        assert home.start().wait() == 0
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["accepted"] == JOBS


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.soak)],
)
def test_a_second_signal_stops_at_once(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """The command ends without waiting for replies that do not come; the engine ends by itself."""
    write_jobs(tmp_path / "jobs.jsonl", 20)
    with (
        Simulator(tmp_path, *NO_LIMITS, "--instant") as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        simulator.switch(hold_after=0)
        command = home.start()
        wait_until(lambda: home.count(SENDING) >= IN_FLIGHT, "all connections wait")
        wait_until(lambda: FOLLOWS in command.output, "the command follows the run")
        os.kill(command.pid, number)
        wait_until(lambda: "press again" in command.output, "the first signal is answered")
        os.kill(command.pid, number)

        assert command.wait() == code
        assert "to continue: runner run jobs.jsonl" in command.output
        assert home.pids("engine"), "the command has waited for the replies"
        simulator.switch(hold_after=None)
        wait_until(home.has_no_processes, "the engine ends after its last reply")
        assert home.start().wait() == 0
        assert home.ledger_errors(simulator) == []


def test_two_terminals_share_one_run(tmp_path: Path) -> None:
    """One engine, one POST for each job, and both commands succeed."""
    with at_work(tmp_path) as (simulator, home):
        simulator.switch(hold_after=SOME)
        commands = [home.start(), home.start()]
        wait_until(lambda: all(FOLLOWS in command.output for command in commands), "both follow the run")
        simulator.switch(hold_after=None)

        assert [command.wait() for command in commands] == [0, 0]
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["accepted"] == JOBS
        assert home.query("SELECT COUNT(*) FROM runs") == [(1,)]
        assert (home.path / "logs" / "engine.log").read_text().count("engine.ready") == 1


def test_one_terminal_leaves_and_the_other_stays(tmp_path: Path) -> None:
    """Ctrl-C in one terminal does not stop the run that the other watches."""
    with at_work(tmp_path) as (simulator, home):
        simulator.switch(hold_after=SOME)
        stays, leaves = home.start(), home.start()
        wait_until(lambda: FOLLOWS in stays.output and FOLLOWS in leaves.output, "both follow the run")
        home.wait_for_accepted(SOME, leaves)
        os.kill(leaves.pid, signal.SIGINT)

        assert leaves.wait() == 130
        simulator.switch(hold_after=None)
        assert stays.wait() == 0
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["accepted"] == JOBS


def test_a_reboot_costs_no_more_than_what_was_in_flight(tmp_path: Path) -> None:
    """All processes and Valkey's data are lost: the database and spools are enough to resume."""
    with at_work(tmp_path) as (simulator, home):
        simulator.switch(hold_after=SOME)
        home.wait_for_accepted(SOME, home.start())
        home.kill()
        simulator.switch(hold_after=None)
        shutil.rmtree(home.path / "valkey")

        assert home.start(*RUN).wait() == 0
        assert home.ledger_errors(simulator, crashed=True) == []
        assert simulator.books()["accepted"] <= JOBS + IN_FLIGHT
