"""`--on-end`: the command is called once for each end, with facts about the run; its failure is harmless."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from live_runner import NO_LIMITS, RUN, LiveRunner, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOBS = 20
NOTE = "cat > summary-$RUN_ID.json; env | grep ^RUN_ | sort >> recorded.txt; echo called"


@contextmanager
def prepared(folder: Path) -> Iterator[tuple[Simulator, LiveRunner]]:
    write_jobs(folder / "jobs.jsonl", JOBS)
    with (
        Simulator(folder, *NO_LIMITS, "--median-s", "0.1") as simulator,
        LiveRunner(folder, simulator) as home,
    ):
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


def test_a_command_that_fails_changes_nothing(tmp_path: Path) -> None:
    """The exit code is that of the run; the failed call is reported beside it."""
    with prepared(tmp_path) as (_, home):
        command = home.start(*RUN, "--on-end", "exit 3")

        assert command.wait() == 0
        assert "--on-end ended with exit code 3" in command.output
