"""`pause --all` and `resume --all`: which runs they mean, what they leave, one event each."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from live_runner import LiveRunner, Simulator, wait_until, write_jobs
from test_commands import GOOD, Place

from runner.db.runs import run_moves, stored_options
from runner.db.session import Database
from runner.rules.states import PauseReason, RunState

if TYPE_CHECKING:
    from pathlib import Path

STATES = {  # by the name of a run: its state, and why it is paused
    "first": ("running", None),
    "second": ("waiting", None),
    "ready": ("ready", None),
    "mine": ("paused", PauseReason.USER),
    "poor": ("paused", PauseReason.BUDGET),
}


@pytest.fixture
def several(tmp_path: Path) -> Place:
    """Return a place with a run in each of these states."""
    place = Place(tmp_path)
    place.write("jobs.jsonl", GOOD % (1, 1))
    database: Database | None = None
    for name, (state, reason) in STATES.items():
        run = int(place.call(f"load jobs.jsonl --new --name {name}").stdout)
        database = database or Database(f"sqlite:///{place.home / 'runner.db'}")
        with database.write() as connection:
            if state != "ready":
                run_moves.start(connection, run, database.now_ms())
            if state == "waiting":
                run_moves.wait(connection, run, "the API is away", database.now_ms())
            if reason is PauseReason.BUDGET:
                stored_options.change(connection, run, {"budget_ticks": 1}, database.now_ms())
            if reason is not None:
                run_moves.pause(connection, run, reason, "because", database.now_ms())
    assert database is not None
    database.close()
    return place


def states(place: Place) -> dict[str, tuple[str, str | None]]:
    listed = json.loads(place.call("list --json").stdout)["runs"]
    return {run["name"]: (run["state"], run["paused_by"]) for run in listed}


def changes(place: Place, kind: str) -> list[dict[str, Any]]:
    lines = place.call(f"events --kind {kind} --json").stdout.splitlines()
    return [event for event in map(json.loads, lines) if event["actor"] is not None]


def test_all_runs_at_work_are_paused_with_an_event_each(several: Place) -> None:
    """Those that wait for a service too; the others stay as they are."""
    before = states(several)
    refused, planned = several.call("pause --all"), several.call("pause --all --dry-run")
    assert (refused.code, "add --yes" in refused.stderr) == (2, True)
    assert planned.stdout == "would pause 2 runs (1 first, 2 second)\n"
    assert states(several) == before

    done = json.loads(several.call("pause --all --yes --reason lunch --json").stdout)

    assert [run["name"] for run in done["runs"]] == ["first", "second"]
    paused = ("paused", "user")
    assert states(several) == {**before, "first": paused, "second": paused}
    assert [(event["run_name"], event["reason"]) for event in changes(several, "paused")] == [
        ("first", "lunch"),
        ("second", "lunch"),
    ]
    reasons = [run["reason"] for run in done["runs"]]
    assert all(re.fullmatch(r"paused by \S+@\S+ at .*: lunch", reason) for reason in reasons), reasons
    kept = json.loads(several.call("resume --all --dry-run --json").stdout)["runs"]
    assert [run["reason"] for run in kept if run["name"] in ("first", "second")] == reasons
    again = several.call("pause --all")
    assert (again.code, again.stderr) == (0, "no run is at work: there is nothing to pause\n")
    assert len(changes(several, "paused")) == 2


def test_a_resume_names_the_runs_that_it_would_leave(several: Place) -> None:
    """With what continues each of them."""
    planned = several.call("resume --all --dry-run")

    assert planned.code == 0
    assert planned.stdout == "would resume 1 run (4 mine)\n"
    assert "run 5 stays paused (budget): because; runner resume 5 --budget USD" in planned.stderr
    assert states(several)["mine"] == ("paused", "user")
    assert several.call("resume --all").code == 2  # no key is set


def test_status_without_a_run_says_how_many_others_are_at_work(several: Place) -> None:
    """The newest at work is shown; where a run is named, nothing is said of others."""
    shown = several.call("status").stdout.splitlines()

    assert (shown[0], shown[-1]) == ("run 2, second: waiting", "1 other run is at work: runner list")
    assert "other run" not in several.call("status 2").stdout
    several.call("pause first -q")
    assert "other run" not in several.call("status").stdout
    several.call("pause second -q")
    assert several.call("status").stdout.startswith("run 5, poor: paused (budget)\n")


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_run_and_all_exclude_each_other(several: Place, command: str) -> None:
    """One of them is needed; flags that only --all has need it, and options of a run exclude it."""
    assert several.call(command).code == 2
    assert several.call(f"{command} first --all").code == 2
    assert several.call(f"{command} first --dry-run").code == 2
    assert several.call("resume --all --rpm 60").code == 2
    assert states(several)["first"] == ("running", None)


def test_the_runs_that_a_user_paused_go_on_in_the_background(tmp_path: Path) -> None:
    """By real workers, to their ends; the one that is paused by its budget stays."""
    with (
        Simulator(tmp_path, "--instant", "--rpm", "none", "--tpm", "none") as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        write_jobs(tmp_path / "jobs.jsonl", 3)
        for name in ("one", "two", "poor"):
            assert home.start("load", "jobs.jsonl", "--new", "--name", name).wait() == 0
        database = Database(f"sqlite:///{home.database}")
        with database.write() as connection:
            for run, reason in enumerate((PauseReason.USER, PauseReason.USER, PauseReason.BUDGET), 1):
                run_moves.start(connection, run, 1)
                run_moves.pause(connection, run, reason, "because", 1)
        database.close()
        resumed = home.start("resume", "--all", "--yes", "--json")
        assert resumed.wait() == 0, resumed.output
        said = json.loads(resumed.out.read_text())
        ended = "SELECT COUNT(*) FROM runs WHERE state = 'finished'"
        wait_until(lambda: home.count(ended) == 2, "both have finished")

        assert [run["name"] for run in said["runs"]] == ["one", "two"]
        assert [run["reason"] for run in said["runs"]] == ["because", "because"]
        assert [(run["name"], run["paused_by"], run["reason"]) for run in said["left"]] == [
            ("poor", "budget", "because")
        ]
        assert home.query("SELECT state FROM runs WHERE id = 3") == [(RunState.PAUSED,)]
        events = "SELECT run_id FROM run_events WHERE kind = 'started' AND actor IS NOT NULL ORDER BY run_id"
        assert home.query(events) == [(1,), (2,)]
