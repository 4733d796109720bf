"""Following a run: when it has stopped, what a signal does, and what is shown meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import pytest
from run_driver import RunDriver, new_run
from snapshots import snapshot_of_run

from runner.cli.printing import print_json
from runner.cli.render.runs.ending_text import outstanding_lines, paused_lines
from runner.cli.render.runs.live_object import live_object
from runner.cli.render.runs.progress import limit_lines, limit_usage_text, progress_line
from runner.cli.session.following import display
from runner.cli.session.following.display import PlainDisplay, is_live_terminal
from runner.cli.session.following.follow import FollowEnd, Follower
from runner.cli.session.following.stop_signal import StopSignal
from runner.cli.snapshot import LimitsInUse
from runner.db.counts import counters
from runner.db.counts.counters import Deltas
from runner.db.runs import run_end, run_moves, run_row
from runner.db.runs.run_snapshot import Part
from runner.limiter.limits import BucketView
from runner.limiter.usage import BucketUsage
from runner.rules.exit_codes import ExitCode
from runner.rules.sending.team_limits import TeamLimits
from runner.rules.states import JobState, PauseReason
from runner.rules.throughput import Throughput

if TYPE_CHECKING:
    from runner.cli.snapshot import Snapshot
    from runner.db.session import Database

WAITS = """
import sys
from runner.cli.session.following.stop_signal import StopSignal
with StopSignal() as stop:
    print("ready", flush=True)
    print(stop.wait(600).name, flush=True)
    sys.stdin.read()
"""


class Recorder:
    """A display that keeps what it is given."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.lines: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: object) -> None:
        """Do nothing."""

    def parts(self) -> Part:
        """Ask for the numbers only."""
        return Part.NUMBERS

    def update(self, snapshot: Snapshot) -> None:
        """Keep how many were done."""
        self.done.append(snapshot.done)

    def print_line(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)


def follow(driver: RunDriver, stop: StopSignal, **more: Any) -> tuple[FollowEnd, Recorder]:
    """Follow a run with a recorder; return how it ended and the recorder."""
    display = Recorder()
    read = partial(snapshot_of_run, driver.database, driver.run_id)
    follower = Follower(read=read, display=display, stop=stop, **more)
    return follower.follow(), display


def pause(driver: RunDriver, reason: PauseReason) -> None:
    """Pause a run."""
    with driver.database.write() as connection:
        run_moves.pause(connection, driver.run_id, reason, "because", 1)


@pytest.mark.parametrize(
    ("reason", "state", "stopped"),
    [
        (PauseReason.CREDITS, JobState.WAITING, False),
        (PauseReason.CREDITS, JobState.SUBMITTING, False),
        (PauseReason.CREDITS, JobState.FAILED, True),
        (PauseReason.KEY, JobState.WAITING, False),
        (PauseReason.SETTING, JobState.WAITING, False),
        (PauseReason.SETTING, JobState.FAILED, True),
    ],
)
def test_a_paused_run_has_stopped_when_accepted_requests_are_collected(
    database: Database, reason: PauseReason, state: JobState, stopped: bool
) -> None:
    """Whatever it is paused for: the engine collects what is out."""
    driver = new_run(database, 3)
    driver.bring(state)
    assert not snapshot_of_run(database, driver.run_id).has_stopped

    pause(driver, reason)

    seen = snapshot_of_run(database, driver.run_id)
    assert stopped == seen.has_stopped
    assert ["paused: because", f"fix: {paused_lines(seen, 'CMD')[1][5:]}"] == paused_lines(seen, "CMD")
    assert paused_lines(seen, "CMD")[1].endswith("then: CMD")


@pytest.mark.parametrize(
    ("reason", "stopped"),
    [(PauseReason.KEY, True), (PauseReason.SETTING, True), (PauseReason.USER, False)],
)
def test_a_run_that_can_fetch_nothing_has_stopped(
    database: Database, reason: PauseReason, stopped: bool
) -> None:
    """Its answers wait at the API until the key or the address is right."""
    driver = new_run(database, 3)
    driver.bring(JobState.WAITING)
    pause(driver, reason)
    for is_refused in (True, True, False, True):
        with database.write() as connection:
            deltas = Deltas(0)
            counters.set_fetch_refused(connection, deltas, driver.run_id, is_refused=is_refused)
            deltas.write(connection)
        seen = snapshot_of_run(database, driver.run_id).has_stopped
        assert seen == (stopped and is_refused)


def test_following_ends_when_the_run_ends(database: Database) -> None:
    """And shows the last numbers."""
    driver = new_run(database, 1)
    driver.bring(JobState.SUCCEEDED)
    with database.write() as connection:
        assert run_end.finish_if_done(connection, driver.run_id, 5)
    with StopSignal() as stop:
        ending, show = follow(driver, stop, verbose=True)

    assert (ending.left_by, show.done) == (None, [1])
    assert any("finished" in line for line in show.lines)


def test_following_ends_when_the_time_is_up(database: Database) -> None:
    """Exit 7; the run is as it was."""
    driver = new_run(database, 1)
    with StopSignal() as stop:
        ending, _ = follow(driver, stop, timeout_s=0.01)

    assert ending.left_by == ExitCode.TIMEOUT


def test_following_ends_when_no_one_reads(database: Database) -> None:
    """What is printed is all that watching is for."""
    driver = new_run(database, 1)
    with StopSignal() as stop:
        ending, show = follow(driver, stop, has_reader=lambda: False)

    assert (ending.left_by, show.done) == (ExitCode.BROKEN_PIPE, [0])


def test_following_ends_at_the_first_signal(database: Database) -> None:
    """After one more look, so that the last numbers are right."""
    driver = new_run(database, 1)
    with StopSignal() as stop:
        signal.raise_signal(signal.SIGINT)
        ending, show = follow(driver, stop)

    assert (ending.left_by, show.done) == (ExitCode.INTERRUPTED, [0])


def test_a_dead_engine_is_started_again(database: Database) -> None:
    """The work continues without the user."""

    class Engine:
        restarts = 0

        def is_engine_alive(self) -> bool:
            return self.restarts > 0

        def restart(self) -> None:
            self.restarts += 1
            signal.raise_signal(signal.SIGINT)  # one more look, then it is left

    driver, engine = new_run(database, 1), Engine()
    with StopSignal() as stop:
        _, show = follow(driver, stop, engine=engine)

    assert 1 == engine.restarts == len(show.lines)


@pytest.mark.parametrize(
    ("first", "name"), [(signal.SIGINT, "INTERRUPTED"), (signal.SIGTERM, "TERMINATED")], ids=str
)
def test_the_first_signal_asks_the_second_stops(first: signal.Signals, name: str) -> None:
    """The second Ctrl-C is Python's own again."""
    with subprocess.Popen(
        [sys.executable, "-c", WAITS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        assert waiting.stdout is not None
        assert waiting.stderr is not None
        assert waiting.stdout.readline() == "ready\n"
        waiting.send_signal(first)
        assert waiting.stdout.readline() == f"{name}\n"
        waiting.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in waiting.stderr.read()


def test_what_is_out_is_reported_with_the_time_it_has_left(database: Database) -> None:
    """24 hours from the oldest acceptance."""
    driver = new_run(database, 3)
    assert outstanding_lines(snapshot_of_run(database, driver.run_id)) == []
    driver.bring(JobState.WAITING)
    driver.bring(JobState.WAITING)

    (line,) = outstanding_lines(snapshot_of_run(database, driver.run_id))
    assert line.startswith("2 answers wait at xAI until ")
    assert snapshot_of_run(database, driver.run_id).fetchable_until_ms == 1_800_000_000_001 + 24 * 3600 * 1000


def test_a_plain_line_is_printed_when_it_is_due_and_not_at_every_look(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """One at the start, one when the run starts to wait, none in between."""
    driver = new_run(database, 100)
    lines = PlainDisplay()
    for _ in range(3):
        lines.update(snapshot_of_run(database, driver.run_id))
    with database.write() as connection:
        run_moves.wait(connection, driver.run_id, "the API is away", 2)
    lines.update(snapshot_of_run(database, driver.run_id))

    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("by-hand: 0 of 100 done (0 %), 0 waiting, 100 pending, $0.0000")
    assert second.endswith("waiting: the API is away; continues by itself")


def test_a_run_whose_jobs_have_all_ended_has_one_last_line(
    database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a second one a moment later, when the run itself ends."""
    monkeypatch.setattr(display, "_GAP_S", 0.0)
    driver = new_run(database, 1)
    lines = PlainDisplay()
    lines.update(snapshot_of_run(database, driver.run_id))
    driver.bring(JobState.SUCCEEDED)
    lines.update(snapshot_of_run(database, driver.run_id))
    with database.write() as connection:
        assert run_end.finish_if_done(connection, driver.run_id, 1_900_000_000_000)
    lines.update(snapshot_of_run(database, driver.run_id))

    first, last = capsys.readouterr().err.splitlines()
    assert "0 of 1 done (0 %)" in first
    assert "1 of 1 done (100 %)" in last


def test_progress_names_what_went_wrong_only_where_something_did(database: Database) -> None:
    """And the time to go is unknown until it means something."""
    driver = new_run(database, 4)
    assert "failed" not in progress_line(snapshot_of_run(database, driver.run_id), Throughput())
    driver.bring(JobState.FAILED)
    driver.bring(JobState.HELD)

    line = progress_line(snapshot_of_run(database, driver.run_id), Throughput())
    assert "2 of 4 done (50 %), 1 failed, 1 held" in line
    assert "1 extra" in line
    assert "time to go unknown" in line


def test_the_use_of_the_busiest_limit_is_in_the_object(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what is allowed; null where nobody knows."""
    seen = snapshot_of_run(database, new_run(database, 1).run_id)
    view = BucketView(rpm=1_800, tpm=10_000_000, rps=None, requests=3, tokens=3_054, paused_s=0.04, share=1.0)
    limits = LimitsInUse(busiest=BucketUsage("grok-4.3", view), own=None, team=TeamLimits())
    print_json(live_object(replace(seen, limits=limits)))
    print_json(live_object(seen))

    used, unknown = capsys.readouterr().out.splitlines()
    assert (
        '"limit":{"model":"grok-4.3","requests":3,"requests_max":1800,"tokens":3054,"tokens_max":10000000,'
        '"paused_s":0.0,"share":1.0}'
    ) in used
    assert '"limit":null' in unknown
    assert limit_usage_text(replace(seen, limits=limits)) == (
        "3 of 1,800 requests, 3,054 of 10.0M tokens a minute (grok-4.3, all runs)"
    )


def test_a_limit_that_429s_have_lowered_says_so(database: Database) -> None:
    """Else nobody knows why a run is slow; not where it is used whole, or where there is none."""
    seen = snapshot_of_run(database, new_run(database, 1).run_id)
    view = BucketView(rpm=1_800, tpm=None, rps=None, requests=3, tokens=54, paused_s=0.0, share=0.09)

    def lines(view: BucketView) -> list[str]:
        limits = LimitsInUse(busiest=BucketUsage("grok-4.3", view), own=None, team=TeamLimits())
        return limit_lines(replace(seen, limits=limits))

    assert lines(view) == [
        "3 of 1,800 requests, 54 tokens a minute (grok-4.3, all runs)",
        "after 429s at most 9% of that limit is used; it grows back by itself",
    ]
    assert len(lines(replace(view, share=1.0))) == 1
    assert len(lines(replace(view, rpm=None))) == 1


def test_the_own_limit_of_a_run_and_that_of_the_team_are_shown(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the object, and in words; a limit that is not there is left out."""
    seen = snapshot_of_run(database, new_run(database, 1, run_row.RunOptions(rpm=60, tpm=0)).run_id)
    view = BucketView(rpm=60, tpm=None, rps=None, requests=7, tokens=900, paused_s=0.0, share=1.0)
    limits = LimitsInUse(busiest=None, own=view, team=TeamLimits(rpm=0))
    print_json(live_object(replace(seen, limits=limits)))
    shown = capsys.readouterr().out
    assert '"own_limit":{"requests":7,"requests_max":60,"tokens":900,"tokens_max":null}' in shown
    assert '"team_limit":{"requests_max":0,"tokens_max":null}' in shown
    assert limit_lines(replace(seen, limits=limits)) == [
        "no limit of requests to each model, set for the team",
        "7 of 60 requests a minute by the run's own limit",
    ]
    assert limit_lines(seen) == []


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"CI": "1"}, {"TERM": "dumb"}, {"TERM": ""}], ids=str)
def test_nobody_who_asked_for_plain_text_gets_a_panel(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str]
) -> None:
    """Even on a terminal."""
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert is_live_terminal()

    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert not is_live_terminal()
