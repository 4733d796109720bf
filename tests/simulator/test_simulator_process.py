"""`python -m runner.simulator` as a process: its output, its end on a signal, the books file."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from runner.cli.commands.simulate import command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMEOUT_S = 200
BODY = b'{"model": "grok-4", "deferred": true, "messages": [{"role": "user", "content": "x"}]}'
HEAD = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer xai-a\r\n"
HANGING = f"{HEAD}Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY


@contextmanager
def simulator(*flags: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the simulator. Yield the process and its first line of output."""
    with subprocess.Popen(
        [sys.executable, "-m", "runner.simulator", "--port", "0", *flags], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def faults(port: str) -> object:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_books") as reply:
        return json.load(reply)["faults"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_url_and_ends_on_a_signal(number: signal.Signals) -> None:
    """Exit code 0 and no more output, although a request hangs for 75 s."""
    with simulator("--seed", "5", "--fault", "hang=1") as (process, line):
        found = re.fullmatch(
            r"simulating https://api\.x\.ai/v1 at http://127\.0\.0\.1:(\d+)/v1 \(seed 5\)\n", line
        )
        assert found
        with socket.create_connection(("127.0.0.1", int(found[1]))) as hanging:
            hanging.sendall(HANGING)
            until = time.monotonic() + TIMEOUT_S
            while faults(found[1]) != {"hang": 1}:
                assert time.monotonic() < until
            process.send_signal(number)
            rest, _ = process.communicate(timeout=TIMEOUT_S)
        assert (process.returncode, rest) == (0, "")


def test_the_books_are_written_at_the_end(tmp_path: Path) -> None:
    """--books FILE has the books with all jobs."""
    books = tmp_path / "books.json"
    with simulator("--instant", "--books", str(books)) as (process, line):
        url = line.split()[3]
        headers = {"Authorization": "Bearer xai-a", "Content-Type": "application/json"}
        with urllib.request.urlopen(
            urllib.request.Request(f"{url}/chat/completions", BODY, headers)
        ) as reply:
            request_id = json.load(reply)["request_id"]
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0
    written = json.loads(books.read_bytes())
    assert [job["request_id"] for job in written["jobs"]] == [request_id]


def test_a_taken_port_is_reported_with_a_fix() -> None:
    """Exit code 2 and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "runner.simulator", "--port", port],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert done.returncode == 2
    assert done.stdout == ""
    error, fix = done.stderr.splitlines()
    assert error == f"error: simulate cannot listen on 127.0.0.1:{port}: address already in use"
    assert "--port 0" in fix


@pytest.mark.parametrize(
    "flags",
    [
        ("--rpm", "0"),
        ("--rpm", "many"),
        ("--fault", "429"),
        ("--fault", "x=0.1"),
        ("--fault", "429=2"),
        ("--faults", "0.5"),
    ],
)
def test_invalid_flags_are_usage_errors(flags: tuple[str, ...]) -> None:
    """Exit code 2 before the server starts."""
    done = CliRunner().invoke(command, flags)
    assert done.exit_code == 2
    assert "Error:" in done.output


def test_the_help_has_an_example() -> None:
    """`runner simulate --help` shows a command line."""
    done = CliRunner().invoke(command, ["--help"])
    assert done.exit_code == 0
    assert "runner simulate --rpm 480" in done.output


def test_it_imports_nothing_of_the_product() -> None:
    """The simulator imports no other module of runner."""
    code = (
        "import sys, runner.simulator.server, runner.simulator.command\n"
        "print([name for name in sys.modules if name.startswith('runner.') and '.simulator' not in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT_S, check=True
    )
    assert done.stdout == "[]\n"
