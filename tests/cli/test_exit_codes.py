"""Every end of a run has its exit code, for each command that follows it (rules/exit_codes.py)."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from cli_calls import run_command
from live_runner import KEY, LiveRunner, Simulator

from runner.rules.exit_codes import ExitCode
from tools.docs.commands_page import MEANINGS

if TYPE_CHECKING:
    from pathlib import Path

    from live_runner import Command

COMMANDS: Final = {
    "run": "run jobs.jsonl -o out.jsonl",
    "start": "start jobs",
    "resume": "resume jobs",
}


class Story(NamedTuple):
    """What is done, the exit code, and whether the run has stopped then."""

    code: int
    has_stopped: bool
    prompts: tuple[str, ...] = ("One.", "Two.")
    flags: str = ""
    simulator: str = "--instant"
    meanwhile: str = ""  # a signal, or a command


LONG: Final = ("One.",) * 6  # five minutes at one request a minute

STORIES: Final = {
    "all succeed": Story(0, True),
    "one fails": Story(1, True, ("One.", "[simulate:safety]")),
    "the key is refused": Story(4, True, simulator="--key xai-another-key-1"),
    "the budget is used": Story(6, True, flags="--budget 0.0001"),
    "the time is up": Story(7, False, flags="--timeout 0.2s", simulator="--median-s 600 --sigma 0"),
    "paused by hand": Story(8, True, LONG, simulator="--rpm 1", meanwhile="pause jobs"),
    "cancelled": Story(9, True, LONG, simulator="--rpm 1", meanwhile="cancel jobs --now --yes"),
    "Ctrl-C": Story(130, False, LONG, simulator="--rpm 1", meanwhile="SIGINT"),
    "SIGTERM": Story(143, False, LONG, simulator="--rpm 1", meanwhile="SIGTERM"),
}


CASES: Final = [
    *((name, command) for name in STORIES for command in ("run", "start")),
    *((name, "resume") for name in ("all succeed", "one fails", "the budget is used", "Ctrl-C")),
]


@pytest.mark.parametrize(
    ("name", "command"),
    [case if case[1] == "run" else pytest.param(*case, marks=pytest.mark.soak) for case in CASES],
)
def test_each_end_has_its_code(name: str, command: str, tmp_path: Path) -> None:
    """The following command exits with it, and so does `watch --exit-status` when the run has stopped."""
    story = STORIES[name]
    lines = [{"id": f"j-{n}", "model": "grok-4.3", "prompt": text} for n, text in enumerate(story.prompts)]
    (tmp_path / "jobs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with (
        Simulator(tmp_path, *story.simulator.split()) as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        if command != "run":
            run_command(["load", "jobs.jsonl"], tmp_path, home.env)
        stayed = home.start(*COMMANDS[command].split(), *story.flags.split())
        if story.meanwhile:
            home.wait_for_accepted(1, stayed)
            _interfere(home, stayed, story.meanwhile)
        assert stayed.wait() == story.code, stayed.output
        assert "Traceback" not in stayed.output
        if story.has_stopped:
            run_command(["watch", "jobs", "--exit-status"], tmp_path, home.env, story.code)
            run_command(["watch", "jobs"], tmp_path, home.env)


def _interfere(home: LiveRunner, stayed: Command, meanwhile: str) -> None:
    """Send the signal, or run the command."""
    if meanwhile.startswith("SIG"):
        os.kill(stayed.pid, signal.Signals[meanwhile])
    else:
        run_command(meanwhile.split(), home.folder, home.env)


def test_a_limit_that_is_reached_pauses(tmp_path: Path) -> None:
    """Exit 8, at once if nothing is left to send; without the limit the run continues to 0."""
    with Simulator(tmp_path, "--instant") as simulator, LiveRunner(tmp_path, simulator) as home:
        lines = [{"id": f"j-{n}", "model": "grok-4.3", "prompt": "One."} for n in range(2)]
        (tmp_path / "jobs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        for words in ("run jobs.jsonl --limit 1", "run jobs.jsonl --limit 1", "start jobs", "resume jobs"):
            assert home.start(*words.split()).wait() == 8
            assert simulator.books()["accepted"] == 1
        assert home.start("resume", "jobs", "--limit", "none").wait() == 0


BEFORE: Final[dict[str, tuple[int, str]]] = {
    "a flag that is none": (2, "run jobs.jsonl --rmp 4"),
    "a run that is none": (2, "start nothing"),
    "a file that is none": (2, "run nothing.jsonl"),
    "a bad file": (3, "run bad.jsonl"),
    "a bad file, checked": (3, "check bad.jsonl"),
}


@pytest.mark.parametrize("case", BEFORE)
def test_a_refused_command_loads_nothing(case: str, tmp_path: Path) -> None:
    """Without a run nothing can be sent."""
    code, words = BEFORE[case]
    (tmp_path / "bad.jsonl").write_text('{"id": "x"\n')
    env = {"RUNNER_HOME": str(tmp_path / "home"), "XAI_API_KEY": KEY, "XAI_BASE_URL": "http://127.0.0.1:9/v1"}
    run_command(words.split(), tmp_path, env, code)
    listed = json.loads(run_command(["list", "--json"], tmp_path, env, 0, 2).stdout)  # 2: no database yet
    assert listed.get("runs", []) == []


def test_every_code_has_a_test_and_a_meaning() -> None:
    """5: test_same_sentence; 10, 11: test_compare_command; 70: test_commands; 141: test_full_output."""
    elsewhere = {5, 10, 11, 70, 141}
    shown = {story.code for story in STORIES.values()} | {code for code, _ in BEFORE.values()}
    assert {int(code) for code in ExitCode} == shown | elsewhere
    assert set(MEANINGS) == set(ExitCode)
