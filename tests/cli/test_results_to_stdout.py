"""`-o -`: stdout has the results and nothing else, whole or not at all."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_calls import Called, engine_kept, run_command
from live_runner import NO_LIMITS, LiveRunner, Simulator

from runner.cli.commands.write import command as write_command
from runner.cli.path_types import OutputPath
from runner.cli.session.running.results_to_stdout import print_file, refuse_bytes_on_terminal
from runner.output.files import STDOUT
from runner.rules.errors import UsageError
from runner.tables.table import Format

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = "id,review\r\n1,so good\r\n2,so bad\r\n"
LABEL = ("label", "reviews.csv", "--text", "review", "--labels", "mood: good|bad")


class LiveFolder:
    """A folder with a simulator, two jobs (run 1) and a table (run 2), whose results went to stdout."""

    def __init__(self, path: Path, home: LiveRunner) -> None:
        self.path, self._home = path, home
        (path / "reviews.csv").write_text(TABLE, newline="")
        lines = [{"id": f"r-{n}", "model": "grok-4.3", "prompt": f"Say {n}"} for n in range(2)]
        (path / "jobs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.answers = self.call("run", "jobs.jsonl", "-o", "-")
        self.labels = self.call(*LABEL, "--columns", "none", "-o", "-", "-q")
        self.written = {path.name for path in path.glob("*.*")}

    def call(self, *words: str, code: int = 0) -> Called:
        """Run a command; fail where it ends with another exit code."""
        return run_command(words, self.path, self._home.env, code)

    def start(self, *words: str, **env: str) -> subprocess.Popen[bytes]:
        """Start a command whose stdout is a pipe."""
        command = [sys.executable, "-m", "runner", *words]
        return subprocess.Popen(
            command, cwd=self.path, env=self._home.env | env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )

    def call_full(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command whose stdout is a full disk."""
        command = [sys.executable, "-m", "runner", *words]
        with Path("/dev/full").open("wb") as full:
            return subprocess.run(
                command,
                cwd=self.path,
                env=self._home.env,
                stdout=full,
                stderr=subprocess.PIPE,
                check=False,
                timeout=240,
            )


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFolder]:
    """Start a simulator and an engine for all tests here; they share the runs."""
    folder = tmp_path_factory.mktemp("out")
    with (
        Simulator(folder, "--instant", *NO_LIMITS) as simulator,
        LiveRunner(folder, simulator) as home,
        engine_kept(home.path),
    ):
        yield LiveFolder(folder, home)


def test_the_results_are_those_of_a_file(live: LiveFolder) -> None:
    """Of `run`, again of `run`, and of `write`; the rest is on stderr, and no file is left."""
    first = live.answers
    assert [json.loads(line)["custom_id"] for line in first.raw.splitlines()] == ["r-0", "r-1"]
    assert "succeeded  2\n" in first.stderr
    assert "runner write 1 writes them, the errors and the summary" in first.stderr
    assert live.written == {"jobs.jsonl", "reviews.csv", "simulator.out"}
    assert live.call("write", "1", "-o", "-", "-q").raw == first.raw

    live.call("write", "1", "-o", "out.jsonl.gz", "-q")
    assert gzip.decompress((live.path / "out.jsonl.gz").read_bytes()) == first.raw
    again = live.call("run", "jobs.jsonl", "-o", "/dev/stdout", "-q")
    assert (again.raw, again.stderr) == (first.raw, "")


def test_nothing_is_left_of_a_command_that_is_killed_while_it_prints(live: LiveFolder) -> None:
    """A slow reader sets the pace, so that is where most are killed."""
    lines = [
        {"id": f"k-{n}", "model": "grok-4.3", "prompt": "Hi", "metadata": "x" * 1000} for n in range(200)
    ]
    (live.path / "long.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    live.call("run", "long.jsonl", "-q", "--rpm", "none", "--tpm", "none")
    place = live.path / "place"
    place.mkdir()
    with live.start("write", "long", "-o", "-", "-q", TMPDIR=str(place)) as printing:
        assert printing.stdout is not None
        assert printing.stdout.read(1)  # more than a pipe holds is still to come
        printing.kill()
    assert [*place.iterdir()] == []


def test_a_table_has_the_format_of_its_input(live: LiveFolder) -> None:
    """With its line ends."""
    done = live.labels
    rows = done.raw.split(b"\r\n")
    assert (rows[0], len(rows), done.stderr) == (b"id,review,mood,_status,_error", 4, "")
    assert live.call(*LABEL, "-o", "-").raw == done.raw
    written = live.call("write", "2", "-o", "-", "--columns", "model")
    assert written.raw.startswith(b"id,review,mood,_status,_error,_model\r\n")


def test_a_full_stdout_keeps_no_command_from_being_called(live: LiveFolder) -> None:
    """`--on-end` is about the run, which has ended; so with files as with results on stdout.

    Only where the results were to go there is the command said to have failed.
    """
    to_stdout = (b"error", 5)
    cases = (("-o", "-", *to_stdout), ("--output", "-", *to_stdout), ("-o", "full.jsonl", b"warning", 0))
    for number, (flag, output, kind, code) in enumerate(cases):
        (live.path / "one.jsonl").write_text(json.dumps({"id": f"o-{number}", "prompt": "Hi"}) + "\n")
        on_end = f"echo ended > ended-{number}"
        done = live.call_full("run", "one.jsonl", "--new", flag, output, "--on-end", on_end)
        assert kind + b": stdout cannot be written: no space left on device" in done.stderr
        assert done.returncode == code
        assert (live.path / f"ended-{number}").read_text() == "ended\n"


def test_results_that_stdout_did_not_take_are_a_failure(live: LiveFolder) -> None:
    """However stdout was named; no note says that they were written."""
    for words in (("-o", "/dev/stdout"), ("--output", "-"), ("-qo", "-")):
        done = live.call_full("run", "jobs.jsonl", *words)
        assert (done.returncode, b"only the results" in done.stderr) == (5, False)


def test_json_and_results_exclude_each_other(live: LiveFolder) -> None:
    """Before anything is loaded: both would be on stdout."""
    for words in (("run", "jobs.jsonl", "--new"), (*LABEL, "--new"), ("write", "1")):
        done = live.call(*words, "-o", "-", "--json", code=2)
        assert json.loads(done.raw)["error"]["what"] == "--json and -o - both write to stdout"
        assert "runner summary RUN --json" in done.stderr


def test_what_cannot_be_written_is_refused_before_it_is_loaded(live: LiveFolder) -> None:
    """Whatever is wrong with the output."""
    runs = len(live.call("list").stdout.splitlines())
    for output, said in {
        "x.jsonl.zst": "gzip is the only compression",
        "x.csv": "the results of jobs are JSON lines",
        "/dev/null": "is a device or a pipe",
        ".": "is a folder",
        "nowhere/x.jsonl": "does not exist",
        "x" * 225: "is too long: 238 bytes",
    }.items():
        assert said in live.call("run", "jobs.jsonl", "--new", "-o", output, code=2).stderr
    (live.path / f"{'y' * 225}.jsonl").write_text('{"id": "a", "prompt": "Hi"}\n')
    refused = live.call("run", f"{'y' * 225}.jsonl", code=2).stderr
    assert "is too long: 239 bytes, at most 233 fit" in refused
    assert "a shorter name with -o" in refused
    assert "Parquet is not compressed" in live.call(*LABEL, "--new", "-o", "x.parquet.gz", code=2).stderr
    assert len(live.call("list").stdout.splitlines()) == runs


def test_a_minus_is_stdout_and_a_path_to_one_is_a_file() -> None:
    """As for other programs."""
    convert = OutputPath().convert
    assert convert("-", None, None) == STDOUT
    assert convert("./-", None, None) == Path("-")
    assert any(param.name == "output" for param in write_command.params)


def test_a_terminal_obeys_nothing_of_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets text with escapes, and no Parquet."""
    (tmp_path / "out").write_bytes(b"a\x1b[31mb\r\n\xff\nlast")
    ours, theirs = os.openpty()
    found: list[bytes] = []
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)

        def read() -> None:
            while b"last" not in b"".join(found):  # a terminal may give it in parts
                found.append(os.read(ours, 1 << 16))

        reader = threading.Thread(target=read)
        with (tmp_path / "out").open("rb") as file:
            print_file(file)
        with pytest.raises(UsageError, match="cannot show Parquet"):
            refuse_bytes_on_terminal(Format.PARQUET)
        refuse_bytes_on_terminal(Format.CSV)
        terminal.flush()
        reader.start()
        reader.join(60)
    os.close(ours)
    assert b"".join(found).decode().splitlines() == [r"a\x1b[31mb", "\ufffd", "last"]
