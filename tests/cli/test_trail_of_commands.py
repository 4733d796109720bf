"""Every command that changes something leaves one event in the trail; others, and dry runs, leave none."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import pytest
from cli_calls import engine_kept, run_command
from live_runner import NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs
from suite_folder import write_suite

from runner.cli.main import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHANGING: Final = {
    *("run", "label", "eval", "load", "start", "pause", "resume", "set", "cancel", "retry", "rm", "prune"),
    *("regrade", "baseline"),
}
READING: Final = {
    *("convert", "check", "compile", "watch", "write", "status", "list", "sample", "show", "summary"),
    *("costs", "compare", "history", "doctor", "simulate", "completion", "jobs", "events"),
    "workers",  # `drain` is of shared servers: test_workers_command.py
    "worker",  # a process that works on runs; what it does to them has causes of its own
    "db",  # a new schema is no change of a run
}
EVENTS: Final = (
    "SELECT 'run', id, kind, actor, old, new, reason FROM run_events WHERE actor IS NOT NULL"
    " UNION ALL SELECT 'operator', id, kind, actor, old, new, reason FROM operator_events"
    " WHERE cause <> 'a worker started with changed settings'"
)
TABLE: Final = "review\n" + "".join(f"text {n}\n" for n in range(4))
REASON: Final = ("--reason", "the disk is \x1b[31mfull")


class Story:
    """A state folder with a simulator, where commands are given one after the other."""

    def __init__(self, folder: Path, simulator: Simulator, home: LiveRunner) -> None:
        self.folder, self.simulator, self.home = folder, simulator, home
        self.played: set[str] = set()
        self._seen: set[tuple[str, int]] = set()

    def new_events(self, *words: str, code: int = 0) -> list[dict[str, Any]]:
        """Give a command; return the events of commands that it left."""
        run_command(words, self.folder, self.home.env, code)
        self.played.add(words[0])
        with closing(sqlite3.connect(self.home.database)) as connection:
            rows = connection.execute(EVENTS).fetchall()
        fresh = [row for row in rows if row[:2] not in self._seen]
        self._seen |= {row[:2] for row in rows}
        made = [
            {
                "table": row[0], "kind": row[2], **json.loads(row[3]), "old": json.loads(row[4] or "{}"),
                "new": json.loads(row[5] or "{}"), "reason": row[6],
            }
            for row in fresh
        ]  # fmt: skip
        for event in made:
            assert event["command"].startswith(f"runner {words[0]} "), event
            assert event["user"], event
            assert event["host"], event
        return made

    def one(self, kind: str, *words: str, code: int = 0) -> dict[str, Any]:
        """Give a command that leaves one event of this kind; return it."""
        (event,) = self.new_events(*words, code=code)
        assert event["kind"] == kind, event
        return event

    def none(self, *words: str, code: int = 0) -> None:
        """Give a command that leaves no event."""
        assert self.new_events(*words, code=code) == [], words


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Yield one state folder for all tests, which are parts of one story."""
    folder = tmp_path_factory.mktemp("trail")
    for name, count in (("a", 2), ("b", 3), ("c", 400)):
        write_jobs(folder / f"{name}.jsonl", count)
    (folder / "t.csv").write_text(TABLE)
    write_suite(folder, items=3, epochs=1)
    answers = ("--answers", str(folder / "answers.jsonl"))
    with (
        Simulator(folder, *NO_LIMITS, "--instant", *answers) as simulator,
        LiveRunner(folder, simulator) as home,
        engine_kept(home.path),
    ):
        yield Story(folder, simulator, home)


def test_every_command_is_either_changing_or_reading() -> None:
    """A new command belongs in one of the two sets; a changing one also in the story below."""
    assert {row.name for row in ROWS} == CHANGING | READING
    assert not CHANGING & READING


def test_all_changing_commands_leave_one_event(story: Story) -> None:
    """The story gives each of them, some of them again, and those that only look."""
    _load_and_start(story)
    _run_in_parts(story)
    _pause_and_cancel(story)
    _label(story)
    _night(story)
    _remove(story)

    assert story.played >= CHANGING


def _load_and_start(story: Story) -> None:
    loaded = story.one("loaded", "load", "a.jsonl")
    assert loaded["new"] == {
        "jobs": 2, "max_attempts": 5, "on_ambiguous": "resubmit", "max_waiting": 50_000
    }  # fmt: skip
    story.none("load", "a.jsonl")
    changed = story.one("set", "set", "a", "--rpm", "600", "--max-failures", "3", *REASON)
    assert (changed["old"], changed["new"]) == (
        {"rpm": None, "max_failures": None},
        {"rpm": 600, "max_failures": 3},
    )
    assert changed["reason"] == REASON[1]
    assert changed["command"] == "runner set a --rpm 600 --max-failures 3 --reason …"
    story.none("set", "a", "--rpm", "600")
    story.none("set", "a", "--rpm", "60", "--dry-run")
    started = story.one("started", "start", "a", "--budget", "5")
    assert started["old"] == {"state": "ready", "budget_ticks": None}
    assert started["new"] == {"state": "running", "budget_ticks": 5 * 10**10}
    story.none("start", "a")
    for words in (("status", "a"), ("list",), ("summary", "a"), ("show", "a", "j-0000"), ("write", "a")):
        story.none(*words)


def _run_in_parts(story: Story) -> None:
    first = story.one("started", "run", "b.jsonl", "--limit", "1", code=8)
    assert {"limit": 1, "jobs": 3, "state": "running"}.items() <= first["new"].items()
    rest = story.one("started", "run", "b.jsonl", "--limit", "none")
    assert (rest["old"], rest["new"]) == (
        {"state": "paused", "limit": 1},
        {"state": "running", "limit": None},
    )
    story.none("run", "b.jsonl")


def _pause_and_cancel(story: Story) -> None:
    story.simulator.switch(hold_after=0)
    story.one("loaded", "load", "c.jsonl")
    story.one("set", "set", "c", "--max-waiting", "50")  # some jobs must be left to be cancelled
    story.one("started", "start", "c", "--detach")
    story.none("start", "c", "--detach")
    paused = story.one("paused", "pause", "c", *REASON)
    assert (paused["new"], paused["reason"]) == ({"state": "paused"}, REASON[1])
    story.none("pause", "c")
    story.one("started", "resume", "c", "--detach", *REASON)
    paused = story.one("paused", "pause", "--all", "--yes", *REASON)
    assert (paused["old"], paused["reason"]) == ({"state": "running"}, REASON[1])
    story.none("pause", "--all")
    for words in (("resume", "--all", "--dry-run"), ("jobs", "c"), ("events", "c"), ("workers",)):
        story.none(*words)
    resumed = story.one("started", "resume", "--all", "--yes", *REASON)
    assert (resumed["old"], resumed["reason"]) == ({"state": "paused"}, REASON[1])
    story.none("resume", "--all")
    story.none("cancel", "c", "--dry-run")
    cancelled = story.one("cancelled", "cancel", "c", "--yes", *REASON)
    assert cancelled["new"]["jobs"] == story.home.count(
        "SELECT COUNT(*) FROM jobs WHERE run_id = 3 AND state = 'cancelled'"
    )
    story.simulator.switch(hold_after=None)
    wait_until(
        lambda: story.home.count("SELECT COUNT(*) FROM runs WHERE id = 3 AND finished_at_ms > 0"),
        "the cancelled run has ended",
    )
    story.none("retry", "c", "--cancelled", "--dry-run")
    retried = story.one("retried", "retry", "c", "--cancelled", "--yes", "--set-model", "grok-4.5", *REASON)
    assert {"state": "ready", "model": "grok-4.5"}.items() <= retried["new"].items()
    some = story.one("jobs_cancelled", "cancel", "c", "--id", "j-0399", "--yes")
    assert some["new"] == {"jobs": 1}


def _label(story: Story) -> None:
    labeled = story.one(
        "started", "label", "t.csv", "--text", "review", "--labels", "mood: good|bad", "--system", "Be kind."
    )
    assert "Be kind." not in labeled["command"]
    story.none("sample", "t")
    story.none("label", "t.csv", "--text", "review", "--labels", "mood: good|bad", "--system", "Be kind.")
    checked = story.one("rechecked", "retry", "t", "--status", "invalid", "--judge", "--no-repair")
    assert (checked["old"], checked["new"]) == ({"repair": True}, {"repair": False})
    story.none("retry", "t", "--status", "invalid", "--judge", "--no-repair")


def _night(story: Story) -> None:
    night, run = sorted(
        story.new_events("eval", "sums.suite.toml", "--occasion", "n1", "--budget", "5"),
        key=lambda event: event["table"],
    )
    assert (night["table"], night["kind"], night["new"]["budget_ticks"]) == (
        "operator",
        "night_begun",
        5 * 10**10,
    )
    assert (run["table"], run["kind"]) == ("run", "started")
    story.none("eval", "sums.suite.toml", "--occasion", "n1")
    story.none("history", "sums")
    story.none("baseline", "sums")
    pinned = story.one("baseline", "baseline", "sums", "pin", "n1", "--as", "first")
    assert (pinned["old"], pinned["new"]) == ({"pinned_as": None}, {"pinned_as": "first"})
    story.none("baseline", "sums", "pin", "n1", "--as", "first")
    graded = story.one("graded_again", "regrade", "sums.suite.toml")
    assert graded["new"]["graders"] == ["correct", "short"]
    story.one("baseline", "baseline", "sums", "unpin", "n1")


def _remove(story: Story) -> None:
    story.none("rm", "b", "--dry-run")
    removed = story.one("removed", "rm", "b", "--yes", *REASON)
    assert (removed["table"], removed["reason"]) == ("operator", REASON[1])
    assert {"state": "finished", "jobs": 3, "succeeded": 3}.items() <= removed["old"].items()
    assert removed["old"]["spent_ticks"] > 0
    story.none("prune", "--older-than", "1s", "--dry-run")
    ended_ms = story.home.count("SELECT MAX(finished_at_ms) FROM runs")
    wait_until(lambda: time.time() * 1000 > ended_ms + 1_500, "the last run has ended a second ago")
    found = story.new_events("prune", "--older-than", "1s", "--yes")
    assert [event["kind"] for event in found] == ["removed"] * len(found)
    assert len(found) >= 2
