"""The crash ladder, in a process of its own: every tenth point here, all of them in `make soak`."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from conftest import PostgresServer

CLIMB: Final = Path(__file__).with_name("climb.py")
MODES: Final = ("exit", "raise", "persist")
STEP: Final = {"sqlite": 10, "postgres": 60}
SLOW: Final = {"exit": 1, "raise": 3, "persist": 2}  # a rung that heals takes longer than one that restarts


def climb(mode: str, first: int, step: int, server: str | None) -> None:
    """Climb a ladder; it must be in order all the way up, and be one: some hundred points."""
    words = [sys.executable, str(CLIMB), mode, "--first", str(first), "--step", str(step)]
    words += ["--server", server] if server else []
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=3600)
    sys.stdout.write(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    rungs = done.stdout.splitlines()
    assert rungs[-1].endswith("no such point")
    assert (len(rungs) - 1) * step > 250


def server_of(form: str, request: pytest.FixtureRequest) -> str | None:
    """Return the server of a form; None for SQLite."""
    if form == "sqlite":
        return None
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.url("migrated")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("form", STEP)
@pytest.mark.parametrize("mode", MODES)
def test_some_rungs(mode: str, form: str, request: pytest.FixtureRequest) -> None:
    """With an offset by chance, which the output tells; --randomly-seed repeats it."""
    step = STEP[form] * (SLOW[mode] if form == "sqlite" else 1)
    climb(mode, random.randint(1, step), step, server_of(form, request))


@pytest.mark.parametrize("form", STEP)
def test_a_job_that_ends_every_process_that_sends_it_is_held(
    form: str, request: pytest.FixtureRequest
) -> None:
    """After two automatic extras a person decides; its neighbours are done, and nothing crashes for ever."""
    words = [sys.executable, str(CLIMB), "poison"]
    words += ["--server", server] if (server := server_of(form, request)) else []
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=170)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("form", STEP)
@pytest.mark.parametrize("mode", MODES)
def test_every_rung(mode: str, form: str, request: pytest.FixtureRequest) -> None:
    """All the way up."""
    climb(mode, 1, 1, server_of(form, request))
