"""Nights that a person or a crash disturbs: nothing is paid unasked, and no night keeps the next one away."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from live_runner import IN_FLIGHT, wait_until
from test_whole_nights import EVAL, REQUESTS, nights_in

if TYPE_CHECKING:
    from pathlib import Path

    from test_whole_nights import Nights

PYTHON_GRADER = """
[[grader]]
name = "slow"
type = "python"
function = "graders:grade"
"""
SLOW = "import time\n\ndef grade(answer, target, item):\n    time.sleep(60)\n"
FAST = "def grade(answer, target, item):\n    return answer.strip() == target\n"


def begin(nights: Nights, occasion: str, *more: str) -> None:
    """Begin a night, and kill everything after some of its requests."""
    held = nights.home.accepted() + 1
    nights.home.hold_above(held, nights.simulator)
    nights.home.wait_for_accepted(held, nights.home.start(*EVAL, "--occasion", occasion, *more))
    nights.home.kill()
    nights.simulator.switch(hold_after=None)


def add_grader(nights: Nights, source: str) -> None:
    """Give the suite a grader in Python."""
    suite = nights.folder / "sums.suite.toml"
    suite.write_text(suite.read_text() + PYTHON_GRADER)
    (nights.folder / "graders.py").write_text(source)


def test_a_night_whose_run_was_removed_ends_without_a_verdict(tmp_path: Path) -> None:
    """It is not paid for again unasked, and the next night is measured."""
    with nights_in(tmp_path) as nights:
        add_grader(nights, SLOW)
        nights.home.start(*EVAL, "--occasion", "n1", "--trust-code")
        finished = "SELECT COUNT(*) FROM runs WHERE state = 'finished'"
        wait_until(lambda: nights.home.count(finished), "all answers are there")
        nights.home.kill()
        (nights.folder / "graders.py").write_text(FAST)
        removed = nights.home.start("rm", "sums@n1", "--yes")
        assert removed.wait() == 0, removed.output
        nights.eval("n2", "--trust-code")
        assert nights.nights() == [("sums@n1", "no_verdict"), ("sums@n2", "no_baseline")]
        cut_short = nights.report("n1")
        assert cut_short["reason"] == (
            "its run was removed before its answers were graded, and with it what it had cost"
        )
        assert not any(gate["is_deciding"] for gate in cut_short["gates"])
        assert cut_short["cost"] is None
        assert "**cost** unknown: a run of the night was removed" in (tmp_path / "sums.n1.md").read_text()
        listed = nights.home.start("history", "sums")
        assert listed.wait() == 0, listed.output
        assert re.search(r"^n1 .* unknown +- +\(run removed\)$", listed.output, re.MULTILINE)
        assert nights.simulator.books()["accepted"] == 2 * REQUESTS


@pytest.mark.parametrize("is_half_removed", [False, True])
def test_a_night_whose_run_is_removed_meanwhile_has_no_verdict(
    tmp_path: Path, *, is_half_removed: bool
) -> None:
    """The command that was waiting for its answers says so, and its exit code is that of the night."""
    with nights_in(tmp_path, "--median-s", "2", "--submit-ms", "15") as nights:
        command = nights.home.start(*EVAL, "--occasion", "n1")
        nights.home.wait_for_accepted(1, command)
        os.kill(command.pid, signal.SIGSTOP)
        finished = "SELECT COUNT(*) FROM runs WHERE state = 'finished'"
        wait_until(lambda: nights.home.count(finished), "all answers are there")
        if is_half_removed:
            with closing(sqlite3.connect(nights.home.database)) as database, database:
                database.execute("UPDATE runs SET state = 'removing', identity = 'removed-1'")
        else:
            removed = nights.home.start("rm", "sums@n1", "--yes")
            assert removed.wait() == 0, removed.output
        os.kill(command.pid, signal.SIGCONT)
        assert command.wait() == 11, command.output
        assert "NO VERDICT (exit 11)" in command.output
        assert nights.report("n1")["reason"].startswith("its run was removed before its answers were graded")


def test_a_night_whose_files_cannot_be_written_does_not_keep_the_next_away(tmp_path: Path) -> None:
    """It has its verdict; what is wrong is printed, and tonight is measured by the same command."""
    with nights_in(tmp_path) as nights:
        folder = tmp_path / "reports"
        folder.mkdir()
        begin(nights, "n1", "-o", "reports")
        folder.rmdir()
        folder.write_text("a file now")
        command = nights.home.start(*EVAL, "--occasion", "n2")
        assert command.wait() == 0, command.output
        assert "sums@n1 was not finished: that comes first" in command.output
        assert nights.nights() == [("sums@n1", "no_baseline"), ("sums@n2", "no_baseline")]


def test_a_verdict_is_printed_where_its_files_cannot_be_written(tmp_path: Path) -> None:
    """Before the error; no file is named to --on-end. The same command writes the files once there is room.

    Here their folder is gone when the night ends.
    """
    with nights_in(tmp_path, "--median-s", "0.3", "--submit-ms", "15") as nights:
        folder = tmp_path / "reports"
        folder.mkdir()
        nights.home.hold_above(1, nights.simulator)
        on_end = f"env | grep ^RUN_ >{tmp_path}/told.txt"
        flags = ("--occasion", "n1", "-o", "reports/n1", "-q", "--on-end", on_end)
        command = nights.home.start(*EVAL, *flags)
        nights.home.wait_for_accepted(1, command)
        folder.rmdir()
        nights.simulator.switch(hold_after=None)
        assert command.wait() == 2, command.output
        verdict, error = (command.output.index(word) for word in ("NO BASELINE YET (exit 0)", "error: "))
        assert verdict < error
        assert f"the folder {folder} does not exist" in command.output
        told = (tmp_path / "told.txt").read_text().splitlines()
        assert "RUN_OUTPUT=" in told
        assert "RUN_VERDICT=no_baseline" in told
        folder.mkdir()
        again = nights.home.start(*EVAL, *flags)
        assert again.wait() == 0, again.output
        assert len(list(folder.iterdir())) == 4


def test_files_of_others_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    """The night is not begun: the next one does not have to finish it."""
    with nights_in(tmp_path) as nights:
        (tmp_path / "sums.n1.md").write_text("mine")
        command = nights.home.start(*EVAL, "--occasion", "n1")
        assert command.wait() == 2
        assert "sums.n1.md (of unknown origin)" in command.output
        assert nights.nights() == []
        assert nights.simulator.books()["accepted"] == 0


def test_a_night_keeps_what_a_later_call_does_not_name(tmp_path: Path) -> None:
    """Its budget, which the second measurement needs too, and the command for its end."""
    with nights_in(tmp_path) as nights:
        begin(nights, "n1", "--budget", "5", "--on-end", "echo $RUN_VERDICT >>called.txt")
        nights.eval("n1")
        nights.eval("n1")
        assert (tmp_path / "called.txt").read_text() == "no_baseline\n"
        ((options,),) = nights.home.query("SELECT options FROM eval_nights")
        assert json.loads(options)["budget_ticks"] == 5 * 10**10


def test_what_is_set_in_the_middle_of_a_night_holds_for_its_second_measurement(tmp_path: Path) -> None:
    """By the name of the night or the id of its run; the budget is one for both, and --on-end the night's."""
    with nights_in(tmp_path) as nights:
        for number in range(1, 4):
            nights.eval(f"n{number}")
        nights.simulator.switch(shift=-0.4)
        held = nights.home.accepted() + 1
        nights.home.hold_above(held, nights.simulator)
        command = nights.home.start(*EVAL, "--occasion", "bad", "--budget", "2")
        nights.home.wait_for_accepted(held, command)
        named = nights.home.start("set", "sums@bad", "--budget", "5", "--max-attempts", "7", "--json")
        assert named.wait() == 0, named.output
        assert json.loads(named.out.read_text())["night"] == "sums@bad"
        by_id = nights.home.start("set", "4", "--on-end", "echo $RUN_VERDICT >>called.txt")
        assert by_id.wait() == 0, by_id.output
        assert "note: sums@bad keeps this, also for its further runs" in by_id.output
        nights.simulator.switch(hold_after=None)
        assert command.wait() == 10, command.output

        assert (tmp_path / "called.txt").read_text() == "regressed\n"
        rows = nights.home.query("SELECT options FROM runs WHERE name LIKE 'sums%@bad' ORDER BY id")
        first, second = (json.loads(options) for (options,) in rows)
        assert (first["max_attempts"], second["max_attempts"]) == (7, 7)
        assert (first["on_end"], second["on_end"]) == (None, None)
        assert first["budget_ticks"] == 5 * 10**10
        spent = nights.home.count("SELECT SUM(n) FROM run_counters WHERE run_id = 4 AND kind = 'ticks'")
        assert second["budget_ticks"] == 5 * 10**10 - spent


def test_a_larger_budget_carries_a_night_on(tmp_path: Path) -> None:
    """The same command with more money, as for a run."""
    with nights_in(tmp_path) as nights:
        stopped = nights.home.start(*EVAL, "--occasion", "n1", "--budget", "0.01")
        assert stopped.wait() == 6, stopped.output
        assert nights.eval("n1", "--budget", "5")["answers"]["answered"] == REQUESTS


def test_a_budget_that_resume_names_is_that_of_the_night(tmp_path: Path) -> None:
    """Else a second measurement had the old one; and `resume` says what gives the night its verdict."""
    with nights_in(tmp_path) as nights:
        stopped = nights.home.start(*EVAL, "--occasion", "n1", "--budget", "0.01")
        assert stopped.wait() == 6, stopped.output
        resumed = nights.home.start("resume", "sums@n1", "--budget", "5")
        assert resumed.wait() == 0, resumed.output
        status = nights.home.start("status")
        assert status.wait() == 0, status.output
        ((options,),) = nights.home.query("SELECT options FROM eval_nights")
        kinds = nights.home.query("SELECT kind FROM operator_events WHERE kind <> 'team_limits' ORDER BY id")

        for shown in (resumed.output, status.output):
            assert "the night is not graded yet; to grade it: runner eval SUITE.toml --occasion n1" in shown
        assert json.loads(options)["budget_ticks"] == 5 * 10**10
        assert kinds == [("night_begun",), ("night_set",)]
        assert nights.eval("n1")["verdict"] == "no_baseline"
        graded = nights.home.start("status")
        assert graded.wait() == 0
        assert "not graded" not in graded.output


def test_a_night_that_a_person_has_paused_stays_paused(tmp_path: Path) -> None:
    """The command of the next night does not spend its money; its own command does."""
    with nights_in(tmp_path) as nights:
        begin(nights, "n1")
        paused = nights.home.start("pause", "sums@n1")
        assert paused.wait() == 0, paused.output
        nights.eval("n2")
        assert nights.nights() == [("sums@n1", None), ("sums@n2", "no_baseline")]
        nights.eval("n1")
        assert nights.nights()[0] == ("sums@n1", "no_baseline")


def test_scores_of_a_file_are_those_of_one_night(tmp_path: Path) -> None:
    """They are not given to the answers of the nights before."""
    with nights_in(tmp_path) as nights:
        nights.eval("n1")
        suite = tmp_path / "sums.suite.toml"
        external = '\n[[grader]]\nname = "outside"\ntype = "scores"\nfile = "s.csv"\n'
        suite.write_text(suite.read_text() + external)
        (tmp_path / "s.csv").write_text("id,score\nsum-000,1\n")
        nights.eval("n2")
        given = "SELECT COUNT(*) FROM eval_grades e JOIN eval_graders g ON g.id = e.grader_id"
        assert nights.home.count(f"{given} WHERE g.name = 'outside'") == REQUESTS


def test_a_suite_may_be_moved_in_the_middle_of_a_night(tmp_path: Path) -> None:
    """Its graders in Python are looked for where it is now; that it may be another one is said once."""
    with nights_in(tmp_path) as nights:
        add_grader(nights, FAST)
        begin(nights, "n1", "--trust-code")
        moved = tmp_path / "moved"
        moved.mkdir()
        for name in ("sums.suite.toml", "items.jsonl", "graders.py"):
            shutil.move(tmp_path / name, moved / name)
        flags = ("eval", "moved/sums.suite.toml", *EVAL[2:], "--occasion", "n1", "--trust-code")
        command = nights.home.start(*flags)
        assert command.wait() == 0, command.output
        warning = f"warning: the nights of sums so far are of a suite in {tmp_path}; this one is in {moved}\n"
        assert warning in command.output
        again = nights.home.start(*flags)
        assert again.wait() == 0, again.output
        assert "warning" not in again.output
        (slow,) = [one for one in nights.report("n1")["graders"] if one["grader"] == "slow"]
        assert slow["measured"] == REQUESTS
        assert nights.simulator.books()["accepted"] <= REQUESTS + IN_FLIGHT


def test_a_command_that_a_crash_kept_from_being_called_is_called(tmp_path: Path) -> None:
    """A worker ends a night in the background, and is killed before its command is called."""
    with nights_in(tmp_path) as nights:
        called = tmp_path / "called.txt"
        flags = ("--detach", "--on-end", "echo $RUN_NAME >>called.txt")
        nights.home.start(*EVAL, "--occasion", "n1", *flags).wait()
        wait_until(called.exists, "the command of the night is called")
        nights.home.kill()
        called.unlink()
        nights.home.change("UPDATE eval_nights SET on_end_at_ms = NULL")
        nights.home.start(*EVAL, "--occasion", "n2", *flags).wait()
        wait_until(lambda: "sums@n2" in called.read_text() if called.exists() else False, "both are called")
        assert called.read_text().split() == ["sums@n1", "sums@n2"]
