"""`--on-end`: called once for each end, with the facts in its environment, whatever becomes of the call."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from live import NO_LIMITS, RUN, Home, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOBS = 20
NOTE = "cat > summary-$RUN_ID.json; env | grep ^RUN_ | sort >> told.txt; echo heard"


@contextmanager
def place(folder: Path) -> Iterator[tuple[Simulator, Home]]:
    write_jobs(folder / "jobs.jsonl", JOBS)
    with Simulator(folder, *NO_LIMITS, "--median-s", "0.1") as simulator, Home(folder, simulator) as home:
        yield simulator, home


def told(folder: Path) -> list[str]:
    path = folder / "told.txt"
    return path.read_text(encoding="utf-8").split("\n") if path.exists() else []


def test_the_end_of_a_run_is_told_once(tmp_path: Path) -> None:
    """After its files are written; the same command again has no new end to tell of."""
    with place(tmp_path) as (_, home):
        command = home.start(*RUN, "--name", "a $(touch bad) name", "--on-end", NOTE)
        assert command.ended() == 0
        facts = told(tmp_path)

        assert "RUN_NAME=a $(touch bad) name" in facts
        assert {"RUN_ID=1", "RUN_STATE=finished", "RUN_EXIT_CODE=0", "RUN_PAUSED_BY="} <= set(facts)
        assert f"RUN_OUTPUT={tmp_path / 'out.jsonl'}" in facts
        assert not (tmp_path / "bad").exists()
        assert json.loads((tmp_path / "summary-1.json").read_bytes()) == json.loads(
            (tmp_path / "out.summary.json").read_bytes()
        )
        assert "heard" in command.err.read_text()
        assert "heard" not in command.out.read_text()

        again = home.start(*RUN, "--name", "a $(touch bad) name", "--on-end", NOTE)
        assert again.ended() == 0
        assert told(tmp_path) == facts


def test_a_pause_is_told_and_the_end_after_it_as_well(tmp_path: Path) -> None:
    """A person is needed: that is what the command is for."""
    with place(tmp_path) as (simulator, home):
        simulator.switch(key_revoked=True)
        assert home.start(*RUN, "--on-end", NOTE).ended() == 4
        assert {"RUN_STATE=paused", "RUN_PAUSED_BY=key", "RUN_EXIT_CODE=4"} <= set(told(tmp_path))

        simulator.switch(key_revoked=False)
        assert home.start(*RUN, "--on-end", NOTE).ended() == 0
        assert told(tmp_path).count("RUN_STATE=finished") == 1
        assert told(tmp_path).count("RUN_STATE=paused") == 1


def test_the_engine_tells_of_a_detached_run(tmp_path: Path) -> None:
    """Nobody else is there; and a command that watches does not tell it a second time."""
    with place(tmp_path) as (_, home):
        assert home.start("load", "jobs.jsonl").ended() == 0
        assert home.start("start", "1", "--detach", "--on-end", NOTE).ended() == 0
        assert home.start("watch", "1", "--exit-status").ended() == 0
        wait_until(lambda: "RUN_STATE=finished" in told(tmp_path), "the end is told")
        wait_until(home.is_quiet, "the engine ends")

        assert told(tmp_path).count("RUN_STATE=finished") == 1


def test_a_command_that_fails_changes_nothing(tmp_path: Path) -> None:
    """The run ended well, and says so; what went wrong with the call is told beside it."""
    with place(tmp_path) as (_, home):
        command = home.start(*RUN, "--on-end", "exit 3")

        assert command.ended() == 0
        assert "--on-end ended with exit code 3" in command.said
