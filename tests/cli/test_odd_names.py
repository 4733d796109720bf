"""Files, folders and runs with names of any bytes, in every command."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

import pytest
from cli_calls import run_command
from live_runner import KEY, Simulator, write_jobs

if TYPE_CHECKING:
    from pathlib import Path

    from cli_calls import Called

RAW: Final = os.fsdecode(b"caf\xe9 %41\n")
SHOWN: Final = r"caf\udce9 %41"
LABELS: Final = ("--text", "review", "--labels", "mood: good|bad")


class Place:
    """A folder of a name that is no text, with files of such names in it."""

    def __init__(self, above: Path, url: str = "http://127.0.0.1:9/v1") -> None:
        self.folder = above / RAW
        self.folder.mkdir()
        write_jobs(self.folder / f"{RAW}.jsonl", 2)
        (self.folder / f"{RAW}.csv").write_text("review\nfine\n")
        self.env = {
            "RUNNER_HOME": str(self.folder / "home"),
            "XAI_API_KEY": KEY,
            "XAI_BASE_URL": url,
            "HOME": "/",
            "PATH": os.environ["PATH"],
        }

    def call(self, *words: str, code: int = 0) -> Called:
        """Run a command in the folder; no bug, and its JSON can be read by anybody."""
        called = run_command(words, self.folder, self.env, code)
        assert "bug" not in called.stderr
        if "--json" in words:
            json.loads(called.stdout)
        return called


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a folder with a run that is loaded."""
    made = Place(tmp_path)
    made.call("load", f"{RAW}.jsonl")
    return made


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("list", "--json"),
        ("status", RAW),
        ("status", RAW, "--json"),
        ("summary", RAW, "--json"),
        ("show", RAW, "j-0001"),
        ("show", RAW, "j-0001", "--json"),
        ("costs", "--csv"),
        ("check", f"{RAW}.jsonl"),
        ("check", f"{RAW}.jsonl", "--json"),
        ("load", f"{RAW}.jsonl", "--json"),
        ("load", f"{RAW}.jsonl", "--occasion", "today"),
        ("load", f"{RAW}.jsonl", "--name", f"{RAW}2", "--new"),
        ("write", RAW, "-o", f"{RAW}.out.jsonl", "--json"),
        ("cancel", RAW, "--id", "j-0001", "--yes"),
        ("rm", RAW, "--yes"),
        ("prune", "--yes"),
        ("doctor", "state-folder", "database", "--config", "--json"),
        ("db", "upgrade"),
        ("compile", f"{RAW}.csv", *LABELS),
    ],
    ids=lambda words: "-".join(words[:1] + words[2:3]).encode("ascii", "replace").decode(),
)
def test_a_command_takes_and_prints_any_name(words: tuple[str, ...], place: Place) -> None:
    """As it takes any other."""
    place.call(*words)


def test_the_name_that_is_shown_leads_to_the_run(place: Place) -> None:
    """So does the name that it was loaded by."""
    shown = json.loads(place.call("list", "--json").stdout)["runs"][0]
    assert shown["name"].startswith(SHOWN)
    assert place.call("status", shown["name"]).stdout == place.call("status", RAW).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("status", "x\udce9"), r"there is no run x\udce9"),
        (("show", "1", "x\udce9"), r"run 1 has no job x\udce9"),
        (("cancel", "1", "--id", "x\udce9", "--yes"), r"run 1 has no job x\udce9"),
        (("retry", "1", "--code", "x\udce9", "--yes"), "run 1 has no such jobs"),
        (("nothing\udce9",), r"there is no command \"nothing\udce9\""),
        (("check", "gone\udce9.jsonl"), r"gone\udce9.jsonl"),
        (("check", f"{RAW}.jsonl", "--model", "grok\udce9"), "is no name of a model"),
        (("compile", f"{RAW}.csv", "--text", "re\udce9", "--labels", "mood: good|bad"), "not UTF-8"),
    ],
    ids=lambda words: words[0] if isinstance(words, tuple) else "",
)
def test_a_mistake_has_its_sentence(words: tuple[str, ...], said: str, place: Place) -> None:
    """Bytes that are no text are shown as escapes."""
    assert said.replace('\\"', '"') in place.call(*words, code=2).stderr


def test_a_whole_run_of_such_names(tmp_path: Path) -> None:
    """The engine, its workers and --on-end get them as they are."""
    with Simulator(tmp_path, "--instant") as simulator:
        place = Place(tmp_path, simulator.url)
        place.call("run", f"{RAW}.jsonl", "--on-end", 'printf %s "$RUN_OUTPUT" > told\udce9')
        results = place.folder / f"{RAW}.results.jsonl"
        assert len(results.read_bytes().splitlines()) == 2
        assert (place.folder / "told\udce9").read_bytes() == bytes(results.resolve())
        place.call("label", f"{RAW}.csv", *LABELS, "--json")
        assert b"_status" in (place.folder / f"{RAW}.labeled.csv").read_bytes()
