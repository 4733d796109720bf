"""`runner events`: what happened and who did it; with --follow as it happens, until the run has stopped."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from live_runner import NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs
from test_commands import Place

from runner.cli.render.fleet.event_lines import change_texts
from runner.db.runs import run_moves
from runner.db.session import Database
from runner.rules.event_kinds import EventKind
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def answered(tmp_path: Path) -> Place:
    """Return a run of three jobs: answered, failed, waiting."""
    place = Place(tmp_path)
    place.answered()
    return place


def events(place: Place, words: str = "") -> list[dict[str, Any]]:
    done = place.call(f"events {words} --json")
    assert done.code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_event_has_who_did_it_what_changed_and_why(answered: Place) -> None:
    """A pause by a command, after the start that no command made."""
    assert answered.call("pause 1 --reason 'too \x1b[2Jfast' -q").code == 0
    last = events(answered, "1")[-1]
    head, *below = answered.call("events 1 --kind paused").stdout.splitlines()

    assert (last["kind"], last["run"], last["run_name"]) == ("paused", 1, "jobs")
    assert last["actor"]["command"].startswith("runner pause 1")
    assert (last["old"], last["new"]) == ({"state": "running"}, {"state": "paused"})
    assert last["reason"] == "too \x1b[2Jfast"
    assert head.endswith("  paused")
    change, reason, by = below
    assert last["cause"].startswith("user: paused by ")
    assert (change, reason) == ("  state running -> paused", '  "too \\x1b[2Jfast"')
    assert by.startswith(f"  by {last['actor']['user']}@{last['actor']['host']}: runner pause 1")


def test_an_event_shows_the_whole_text_of_what_was_said(answered: Place) -> None:
    """Escapes make a text longer; nothing of it is cut off for that, and no line is too wide."""
    said = "disk of alpha is full " * 9
    assert answered.call(f"pause 1 --reason '\x1b[31m\x1b[1m {said}' -q").code == 0
    lines = answered.call("events 1").stdout.splitlines()

    assert f'"\\x1b[31m\\x1b[1m {said.rstrip()}"' in " ".join(line.strip() for line in lines)
    assert max(map(len, lines)) <= 80


def test_events_are_chosen_by_kind_number_and_time(answered: Place) -> None:
    """The newest are last; what no event fits is said."""
    answered.call("pause 1 -q")
    every = events(answered)

    assert [event["kind"] for event in events(answered, "--kind paused")] == ["paused"]
    assert events(answered, "--limit 1") == every[-1:]
    assert [event["kind"] for event in events(answered, "--since 5m --kind paused")] == ["paused"]
    assert events(answered, "--kind written") == []
    assert answered.call("events 1 --kind written").stderr == "there are no such events\n"
    assert "run 1 jobs" in answered.call("events --kind paused").stdout
    assert "run 1" not in answered.call("events 1 --kind paused").stdout.partition("by ")[0]
    assert answered.call("events 9").code == 2


def test_a_kind_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """With the one that was meant, if any; no database is needed for that."""
    typo, other = (Place(tmp_path).call(f"events --kind {word}") for word in ("Pasued", "x\x1b[2J"))

    assert (typo.code, other.code) == (2, 2)
    assert typo.stderr == (
        'error: there is no kind of event "Pasued"; did you mean "paused"?\n'
        "fix: runner events --help lists the kinds\n"
    )
    assert 'no kind of event "x\\x1b[2J"\n' in other.stderr
    described = " ".join(Place(tmp_path).call("events --help").stdout.split())
    assert [kind for kind in EventKind if kind not in described] == []


def test_a_colleague_sees_who_paused_a_run_and_why(answered: Place) -> None:
    """In `status` and its object, and before `resume --all` continues it."""
    assert answered.call("pause 1 --reason 'Bob needs the API until 3' -q").code == 0
    who = events(answered, "1")[-1]["actor"]
    found = json.loads(answered.call("status 1 --json").stdout)["reason"]
    planned = answered.call("resume --all --dry-run")

    assert found.startswith(f"paused by {who['user']}@{who['host']} at ")
    assert found.endswith(": Bob needs the API until 3")
    assert f"  paused (user): {found}; " in answered.call("status 1").stdout
    assert f"run 1: {found}\n" in planned.stderr
    assert planned.stdout == "would resume 1 run (1 jobs)\n"


def test_one_run_that_is_paused_with_all_is_continued_alone(answered: Place) -> None:
    """The words fit one run."""
    assert answered.call("pause --all").stderr == "run 1 is paused\nto continue it: runner resume --all\n"


def test_a_run_that_was_removed_is_found_by_its_id_and_its_name(answered: Place) -> None:
    """Its own events are gone with it; that of its removal stays."""
    answered.call("cancel 1 --now --yes -q")
    assert answered.call("rm 1 --yes").code == 0

    (removed,) = events(answered, "1")
    assert (removed["kind"], removed["run"], removed["run_name"]) == ("removed", 1, "jobs")
    assert events(answered)[-1] == removed
    assert events(answered, "jobs") == [removed]
    assert answered.call("events jobz").code == 2


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"rpm": 3_000}, {"rpm": 60}, ["rpm 3,000 -> 60"]),
        ({"rpm": None}, {"rpm": 60}, ["rpm not set -> 60"]),
        ({"budget_ticks": 5 * 10**10}, {"budget_ticks": None}, ["budget $5.00 -> none"]),
        ({}, {"jobs": 7, "is_detached": True}, ["jobs 7", "detached yes"]),
        ({"fail_on": []}, {"fail_on": ["length", "empty"]}, ["fail-on none -> length,empty"]),
        ({"state": "finished", "spent_ticks": 10**10}, {}, ["state finished", "spent $1.00"]),
        ({"possible_extra_ticks": 0}, {}, ["possible extra $0.0000"]),
    ],
)
def test_what_changed_is_in_words(old: dict[str, Any], new: dict[str, Any], expected: list[str]) -> None:
    """From what to what; money in dollars."""
    assert change_texts(old, new) == expected


@pytest.fixture
def home(tmp_path: Path) -> Iterator[LiveRunner]:
    """Return a state folder with a run that is loaded; no worker works on it."""
    with Simulator(tmp_path, *NO_LIMITS) as simulator, LiveRunner(tmp_path, simulator) as made:
        write_jobs(tmp_path / "jobs.jsonl", 3)
        assert made.start("load", "jobs.jsonl").wait() == 0
        yield made


def change(home: LiveRunner, what: str) -> None:
    """Start, pause or wait: a change of the run by no command."""
    database = Database(f"sqlite:///{home.database}")
    with database.write() as connection:
        match what:
            case "start":
                run_moves.start(connection, 1, database.now_ms())
            case "wait":
                run_moves.wait(connection, 1, "the API is away", database.now_ms())
            case _:
                run_moves.pause(connection, 1, PauseReason.BUDGET, "enough", database.now_ms())
    database.close()


def test_followed_events_come_into_a_pipe_until_the_run_has_stopped(home: LiveRunner) -> None:
    """Each at once; the last one is that of the pause, and the exit code is 0."""
    change(home, "start")
    follow = home.start("events", "1", "--follow", "--json")
    wait_until(lambda: '"started"' in follow.out.read_text(), "what was there before is printed")
    change(home, "wait")
    wait_until(lambda: "the API is away" in follow.out.read_text(), "a new event is printed")
    assert follow.process.poll() is None
    change(home, "pause")

    assert follow.wait() == 0, follow.output
    kinds = [json.loads(line)["kind"] for line in follow.out.read_text().splitlines()]
    assert kinds[-3:] == ["started", "waiting", "paused"]
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_following(home: LiveRunner, number: signal.Signals, code: int) -> None:
    """Without a run there is no other end."""
    change(home, "start")
    follow = home.start("events", "--follow")
    wait_until(lambda: "started" in follow.out.read_text(), "it follows")
    change(home, "pause")
    wait_until(lambda: "enough" in follow.out.read_text(), "it goes on after the run has stopped")
    os.kill(follow.pid, number)

    assert follow.wait() == code
    assert "Traceback" not in follow.output


def test_following_ends_where_nothing_reads(home: LiveRunner) -> None:
    """As every command does that only prints."""
    change(home, "start")
    piped = home.start_command(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m runner events --follow | head -n 1"]
    )
    wait_until(piped.out.read_text, "head has its line")
    change(home, "wait")

    assert piped.wait() == 141
