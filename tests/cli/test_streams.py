"""The standard streams: whatever they lead to, a write succeeds, and stdout keeps its first error."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from runner.cli import streams
from runner.cli.printing import print_bytes, print_escaped, print_note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def stdout_at(monkeypatch: pytest.MonkeyPatch, descriptor: int, encoding: str = "utf-8") -> Iterator[None]:
    """Let stdout and stderr be a descriptor, as `open_streams` makes them; close it at the end."""
    with monkeypatch.context() as patch:
        for name in ("stdout", "stderr"):
            given = io.TextIOWrapper(io.FileIO(descriptor, "wb", closefd=False), encoding=encoding)
            patch.setattr(sys, name, streams.safe_output(given))
        try:
            yield
            sys.stdout.flush()
        finally:
            os.close(descriptor)  # also after a failure: a thread may read until then


def pipe_without_reader() -> int:
    """Return the end to write to."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.parametrize(
    ("make", "number"),
    [
        (pipe_without_reader, errno.EPIPE),
        (lambda: os.open("/dev/full", os.O_WRONLY), errno.ENOSPC),
        (lambda: os.open(os.devnull, os.O_RDONLY), errno.EBADF),
        (lambda: os.open(os.devnull, os.O_WRONLY), None),
    ],
    ids=["broken pipe", "full", "not writable", "good"],
)
def test_a_write_that_fails_is_kept_as_an_error(
    make: Callable[[], int], number: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of much, and of what is written afterwards; nothing raises."""
    with stdout_at(monkeypatch, make()):
        for _ in range(3):
            print_escaped("a line")
            print_bytes(bytes(100_000))
            print_note("a note")
        Console(stderr=True).print("a panel")
        error = streams.stdout_error()
        assert (error.errno if error else None) == number
        assert streams.is_stdout_lost() == (number is not None)


_PRINT_RESULTS = """
from runner.cli import streams

streams.open_streams()
print("a line", flush=True)
assert streams.stdout_error() is None and not streams.has_results()
streams.expect_results()
assert streams.has_results()
sys.exit(0 if streams.stdout_error() is None else streams.stdout_error().errno)
"""


@pytest.mark.parametrize(("stdout", "number"), [(">&-", errno.EBADF), ("> /dev/null", 0)])
def test_a_stdout_that_was_closed_takes_no_results(stdout: str, number: int) -> None:
    """Other lines may be lost."""
    command = ["sh", "-c", f'exec "$0" -c "$1" {stdout}', sys.executable, f"import sys\n{_PRINT_RESULTS}"]
    assert subprocess.run(command, check=False, timeout=120).returncode == number


def test_a_pipe_is_watched_without_a_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reader may go while there is nothing to print."""
    reader, writer = os.pipe()
    with stdout_at(monkeypatch, writer):
        assert streams.has_reader()
        os.close(reader)
        assert not streams.has_reader()


def test_a_slow_reader_of_a_pipe_that_must_not_block_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that shares the pipe may have set it so."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    came: list[bytes] = []

    def read_all() -> None:
        while chunk := os.read(reader, 1 << 16):
            came.append(chunk)

    thread = threading.Thread(target=read_all, daemon=True)
    sent = os.urandom(1 << 20)
    with stdout_at(monkeypatch, writer):
        thread.start()
        print_bytes(sent)
    thread.join()
    os.close(reader)
    assert b"".join(came) == sent


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "cp1252", "shift_jis", "koi8-r", "utf-8"])
def test_any_text_is_printed_in_any_encoding(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the encoding lacks as an escape."""
    path = tmp_path / "out"
    with stdout_at(monkeypatch, os.open(path, os.O_WRONLY | os.O_CREAT), encoding):
        sys.stdout.write("日é\udce9\n")
        Console(stderr=True).print("日é\udce9 ━")
    assert path.read_bytes().startswith(
        {
            "ascii": rb"\u65e5\xe9\udce9",
            "iso-8859-1": b"\\u65e5\xe9\\udce9",
            "cp1252": b"\\u65e5\xe9\\udce9",
            "shift_jis": "日".encode("shift_jis") + rb"\xe9\udce9",
            "koi8-r": rb"\u65e5\xe9\udce9",
            "utf-8": "日é".encode() + rb"\udce9",
        }[encoding]
    )
