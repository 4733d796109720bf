"""Runs `runner …` in this process where it can: nothing has to be started, and coverage measures it.

A command that starts an engine is a process of its own: Celery's app takes its settings once a process.
What needs more (signals, a terminal, kill -9) starts its commands with `live_runner`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final
from unittest import mock

from runner.cli.main import call
from runner.embedded.state_folder import StateFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

STARTERS: Final = {"run", "label", "start", "resume", "worker", "simulate"}
REFUSED: Final = {2, 3}  # exit codes of a command that ends before it starts anything
WITHIN_S: Final = 240.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A command that has ended: its exit code, and what it printed."""

    code: int
    raw: bytes  # stdout
    stderr: str

    @property
    def stdout(self) -> str:
        """Return what it printed to stdout, as text."""
        return self.raw.decode()

    @property
    def output(self) -> str:
        """Return its stdout, then its stderr."""
        return self.stdout + self.stderr


def run_command(
    words: Sequence[str], folder: Path, env: Mapping[str, str], *codes: int, stdin: bytes = b""
) -> Called:
    """Run `runner WORDS` in a folder, with this environment and no other variable.

    Fail when it does not end with one of the exit codes, 0 where none is given.
    """
    is_process = bool(words) and words[0] in STARTERS and not {*codes} & REFUSED
    called = (_in_a_process if is_process else _here)(words, folder, env, stdin)
    assert called.code in (codes or (0,)), f"exit code {called.code}\n{called.output}"
    return called


def _in_a_process(words: Sequence[str], folder: Path, env: Mapping[str, str], stdin: bytes) -> Called:
    done = subprocess.run(
        [sys.executable, "-m", "runner", *words],
        cwd=folder, env=env, input=stdin, capture_output=True, check=False, timeout=WITHIN_S,
    )  # fmt: skip
    return Called(code=done.returncode, raw=done.stdout, stderr=done.stderr.decode())


def _here(words: Sequence[str], folder: Path, env: Mapping[str, str], stdin: bytes) -> Called:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with (
            _surroundings(words, folder, env, stdin),
            _written_to(out, "stdout"),
            _written_to(err, "stderr"),
        ):
            try:
                code: object = call(list(words))
            except SystemExit as ended:
                code = ended.code
        assert isinstance(code, int)
        out.seek(0)
        err.seek(0)
        return Called(code=code, raw=out.read(), stderr=err.read().decode())


@contextmanager
def engine_kept(folder: Path) -> Iterator[None]:
    """Hold the engine of a state folder as a second terminal would: commands share one instead of many.

    It starts with the first command that needs it, and has ended at the end of the block.
    """
    home = StateFolder(folder)
    home.prepare()
    attached, watchers = home.attached_lock(), home.watchers_lock()
    attached.acquire_shared()
    watchers.acquire_shared()
    try:
        yield
    finally:
        attached.release()
        watchers.release()


@contextmanager
def _surroundings(words: Sequence[str], folder: Path, env: Mapping[str, str], stdin: bytes) -> Iterator[None]:
    """Set what a process is given; afterwards all is as before."""
    record = logging.getLogRecordFactory()
    before = sys.stdin, sys.argv
    sys.stdin, sys.argv = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"), ["runner", *words]
    try:
        with mock.patch.dict(os.environ, env, clear=True), contextlib.chdir(folder):
            yield
    finally:
        sys.stdin, sys.argv = before
        logging.setLogRecordFactory(record)


@contextmanager
def _written_to(file: IO[bytes], name: str) -> Iterator[None]:
    """Replace a stream of `sys` by a file, with the encoding and the buffer of a process's own."""
    stream = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", write_through=True)
    before = getattr(sys, name)
    setattr(sys, name, stream)
    try:
        yield
    finally:
        setattr(sys, name, before)
        stream.flush()
        stream.detach()
