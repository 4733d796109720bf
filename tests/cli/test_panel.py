"""The live panel in a real terminal: its lines, a resized window, and its end."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING

import pytest
from live_runner import KEY, RUN, LiveRunner, Simulator, write_jobs
from rich.live import Live
from run_driver import new_run
from snapshots import snapshot_of_run
from terminal import Terminal

from runner.cli.session.following.live_display import LiveDisplay
from runner.db.runs import run_moves
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runner.db.session import Database

JOBS = 3000
FACTS = ("jobs ", "limit ", "spent ", "time ", "out ", "also ")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Simulator, LiveRunner, dict[str, str]]]:
    """Return a simulator with a limit, a state folder, and the environment of an interactive terminal."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    limits = ("--rpm", "600", "--tpm", "none", "--median-s", "1")  # five minutes of work
    with Simulator(tmp_path, *limits) as simulator, LiveRunner(tmp_path, simulator) as home:
        yield (
            simulator,
            home,
            {
                "RUNNER_HOME": str(home.path),
                "XAI_API_KEY": KEY,
                "XAI_BASE_URL": simulator.url,
                "NO_COLOR": "",
                "CI": "",
                "TERM": "xterm-256color",
                "LANG": "C.UTF-8",
            },
        )


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "runner", *words]


def test_the_panel_shows_all_facts(
    place: tuple[Simulator, LiveRunner, dict[str, str]], tmp_path: Path
) -> None:
    """Each fact on its own line within 80 columns; also in narrow and wide windows."""
    _, home, environment = place
    words = command("run", "jobs.jsonl", "-o", "out.jsonl", "--budget", "20", "--yes")
    with Terminal(tmp_path, words, environment) as terminal:
        screen = terminal.shows(*FACTS, " jobs/s", "left to fetch it")
        shown = json.loads(output_of(home, "status", "--json"))

        lines = {label: line for line in screen for label in FACTS if line.startswith(label)}
        assert set(lines) == set(FACTS), screen
        done = re.search(r"([\d,]+) of 3,000 done", lines["jobs "])
        assert done is not None
        assert 0 < int(done[1].replace(",", "")) <= shown["done"]
        assert f"of {shown['limit']['requests_max']:,} requests" in lines["limit "]
        assert "of $20.00" in lines["spent "]
        assert re.search(r"about .* to go|.* to .* to go|unknown", lines["time "])
        assert all(len(line) <= 80 for line in screen)

        terminal.resize(44, 24)
        terminal.shows("jobs ")
        terminal.resize(120, 30)
        terminal.shows(" jobs/s")
        terminal.press("C-c")
        ended = terminal.shows("exit code 130")
        assert any("press again to stop now" in line for line in ended)
        assert any("to continue: runner run jobs.jsonl" in line for line in ended)


def test_the_panel_shows_why_nothing_is_sent(
    place: tuple[Simulator, LiveRunner, dict[str, str]], tmp_path: Path
) -> None:
    """While the API is down, and when a person is needed."""
    simulator, _, environment = place
    with Terminal(tmp_path, command(*RUN), environment) as terminal:
        terminal.shows("jobs ")
        simulator.switch(down=True)
        assert any(line.startswith("waiting: ") for line in terminal.shows("continues by itself"))
        simulator.switch(down=False, key_revoked=True)
        ended = terminal.shows("exit code 4")
        assert any(line.startswith("fix: set XAI_API_KEY") for line in ended)


def test_a_terminal_that_wants_plain_text_gets_it(
    place: tuple[Simulator, LiveRunner, dict[str, str]], tmp_path: Path
) -> None:
    """Lines instead of a panel; the recorded bytes contain no escape. Others: test_no_escapes.py."""
    _, _, environment = place
    write_jobs(tmp_path / "few.jsonl", 5)
    log = tmp_path / "bytes"
    words = command("run", "few.jsonl", "-o", "few.out.jsonl", "--yes")
    recorded = ["script", "-qefc", " ".join(words), str(log)]
    with Terminal(tmp_path, recorded, environment | {"NO_COLOR": "1"}) as terminal:
        terminal.shows("exit code 0")

    recorded_bytes = log.read_bytes()
    assert b"few: 5 of 5 done (100 %)" in recorded_bytes
    assert b"\x1b" not in recorded_bytes


def output_of(home: LiveRunner, *words: str) -> str:
    command = home.start(*words)
    assert command.wait() == 0, command.output
    return command.out.read_text()


@pytest.mark.parametrize(("interval_s", "drawn"), [(None, 7), (0.1, 7), (1.0, 4)])
def test_it_is_redrawn_at_most_twice_a_second(
    database: Database, monkeypatch: pytest.MonkeyPatch, interval_s: float | None, drawn: int
) -> None:
    """However often the numbers are read: here twenty times a second, for three seconds; and at the end."""
    panels, now_s = list[object](), [100.0]
    monkeypatch.setattr(Live, "update", lambda _, drawing, *, refresh: panels.append((drawing, refresh)))
    display = LiveDisplay(interval_s, lambda: now_s[0])
    driver = new_run(database, 1)
    snapshot = snapshot_of_run(database, driver.run_id)
    for look in range(61):
        now_s[0] = 100.0 + look / 20
        display.update(snapshot)
    assert len(panels) == drawn

    with database.write() as connection:
        run_moves.pause(connection, driver.run_id, PauseReason.USER, "because", 1)
    display.update(snapshot_of_run(database, driver.run_id))
    assert len(panels) == drawn + 1
