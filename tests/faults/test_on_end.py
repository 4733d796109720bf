"""`--on-end`: the command is called once for each end, with facts about the run; its failure is harmless."""

from __future__ import annotations

import json
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from live_runner import NO_LIMITS, RUN, LiveRunner, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOBS = 20
FOLLOWS = " waiting, "  # in the first line that a command prints of its run
NOTE = "cat > summary-$RUN_ID.json; env | grep ^RUN_ | sort >> recorded.txt; echo called"


@contextmanager
def prepared(folder: Path) -> Iterator[tuple[Simulator, LiveRunner]]:
    write_jobs(folder / "jobs.jsonl", JOBS)
    with (
        Simulator(folder, *NO_LIMITS, "--median-s", "0.1") as simulator,
        LiveRunner(folder, simulator) as home,
    ):
        yield simulator, home


@contextmanager
def detached(folder: Path, note: str = NOTE) -> Iterator[tuple[Simulator, LiveRunner]]:
    """Run 1 is at work in the background and does not end before the switch `hold_after` is null."""
    with prepared(folder) as (simulator, home):
        simulator.switch(hold_after=JOBS // 2)
        assert home.start("load", "jobs.jsonl").wait() == 0
        assert home.start("start", "1", "--detach", "--on-end", note).wait() == 0
        yield simulator, home


def recorded(folder: Path) -> list[str]:
    path = folder / "recorded.txt"
    return path.read_text(encoding="utf-8").split("\n") if path.exists() else []


def test_the_end_of_a_run_is_told_once(tmp_path: Path) -> None:
    """The call comes after the files are written; the same run command again makes no new call."""
    with prepared(tmp_path) as (_, home):
        command = home.start(*RUN, "--name", "a $(touch bad) name", "--on-end", NOTE)
        assert command.wait() == 0
        facts = recorded(tmp_path)

        assert "RUN_NAME=a $(touch bad) name" in facts
        assert {"RUN_ID=1", "RUN_STATE=finished", "RUN_EXIT_CODE=0", "RUN_PAUSED_BY="} <= set(facts)
        assert f"RUN_OUTPUT={tmp_path / 'out.jsonl'}" in facts
        assert not (tmp_path / "bad").exists()
        assert json.loads((tmp_path / "summary-1.json").read_bytes()) == json.loads(
            (tmp_path / "out.summary.json").read_bytes()
        )
        assert "called" in command.err.read_text()
        assert "called" not in command.out.read_text()

        again = home.start(*RUN, "--name", "a $(touch bad) name", "--on-end", NOTE)
        assert again.wait() == 0
        assert recorded(tmp_path) == facts


def test_a_pause_is_told_and_the_end_after_it_as_well(tmp_path: Path) -> None:
    """A pause needs a person, so it counts as an end."""
    with prepared(tmp_path) as (simulator, home):
        simulator.switch(key_revoked=True)
        assert home.start(*RUN, "--on-end", NOTE).wait() == 4
        assert {"RUN_STATE=paused", "RUN_PAUSED_BY=key", "RUN_EXIT_CODE=4"} <= set(recorded(tmp_path))

        simulator.switch(key_revoked=False)
        assert home.start(*RUN, "--on-end", NOTE).wait() == 0
        assert recorded(tmp_path).count("RUN_STATE=finished") == 1
        assert recorded(tmp_path).count("RUN_STATE=paused") == 1


def test_the_engine_tells_of_a_detached_run(tmp_path: Path) -> None:
    """The engine makes the call, and a watching command does not make it a second time."""
    with prepared(tmp_path) as (_, home):
        assert home.start("load", "jobs.jsonl").wait() == 0
        assert home.start("start", "1", "--detach", "--on-end", NOTE).wait() == 0
        assert home.start("watch", "1", "--exit-status").wait() == 0
        wait_until(lambda: "RUN_STATE=finished" in recorded(tmp_path), "the end is recorded")
        wait_until(home.has_no_processes, "the engine ends")

        assert recorded(tmp_path).count("RUN_STATE=finished") == 1


@pytest.mark.parametrize("way", ["timeout", "ctrl-c", "kill"])
def test_a_command_that_came_and_left_takes_no_call_with_it(way: str, tmp_path: Path) -> None:
    """A detached run is followed for a while; the engine makes the call at its end, once."""
    with detached(tmp_path) as (simulator, home):
        visitor = home.start(*RUN, *(["--timeout", "1s"] if way == "timeout" else []))
        wait_until(lambda: FOLLOWS in visitor.output, "the command follows the run")
        if way != "timeout":
            os.kill(visitor.pid, signal.SIGINT if way == "ctrl-c" else signal.SIGKILL)
        assert visitor.wait() == {"timeout": 7, "ctrl-c": 130, "kill": -signal.SIGKILL}[way]
        assert recorded(tmp_path) == []

        simulator.switch(hold_after=None)
        wait_until(home.has_no_processes, "the engine ends with the run")
        assert recorded(tmp_path).count("RUN_STATE=finished") == 1


def test_of_two_commands_the_one_that_stays_makes_the_call(tmp_path: Path) -> None:
    """After it has written its files; the one that left and the engine make none."""
    with detached(tmp_path, "test -f out.jsonl && " + NOTE) as (simulator, home):
        stays, leaves = home.start(*RUN), home.start("start", "1")
        wait_until(lambda: FOLLOWS in stays.output, "the one follows the run")
        wait_until(lambda: FOLLOWS in leaves.output, "the other follows it, too")
        os.kill(leaves.pid, signal.SIGINT)
        assert leaves.wait() == 130

        simulator.switch(hold_after=None)
        assert stays.wait() == 0
        wait_until(home.has_no_processes, "the engine ends with the run")
        assert recorded(tmp_path).count("RUN_STATE=finished") == 1
        assert "called" in stays.err.read_text()


def test_the_engine_leaves_the_call_to_a_command_that_follows(tmp_path: Path) -> None:
    """A stopped command does not see the end; the engine makes the call once that command is gone."""
    with detached(tmp_path) as (simulator, home):
        visitor = home.start(*RUN)
        wait_until(lambda: FOLLOWS in visitor.output, "the command follows the run")
        os.kill(visitor.pid, signal.SIGSTOP)
        simulator.switch(hold_after=None)
        wait_until(lambda: home.count("SELECT COUNT(*) FROM runs WHERE state = 'finished'"), "the run ends")

        write_jobs(tmp_path / "later.jsonl", 1)
        assert home.start("load", "later.jsonl").wait() == 0
        assert home.start("start", "2", "--detach", "--on-end", NOTE).wait() == 0
        wait_until(lambda: "RUN_ID=2" in recorded(tmp_path), "the engine has looked at both runs")
        assert "RUN_ID=1" not in recorded(tmp_path)

        os.kill(visitor.pid, signal.SIGKILL)
        wait_until(home.has_no_processes, "the engine ends")
        assert recorded(tmp_path).count("RUN_ID=1") == 1


def test_a_command_that_fails_changes_nothing(tmp_path: Path) -> None:
    """The exit code is that of the run; the failed call is reported beside it."""
    with prepared(tmp_path) as (_, home):
        command = home.start(*RUN, "--on-end", "exit 3")

        assert command.wait() == 0
        assert "--on-end ended with exit code 3" in command.output
