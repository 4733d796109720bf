"""The crash ladder: a fault at some of its points here, others in each run; at every point in `make soak`."""

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
WITHIN_S: Final = 550.0
MODES: Final = ("exit", "raise", "persist")
STEP: Final = {"sqlite": 30, "postgres": 60}
SLOW: Final = {"exit": 1, "raise": 3, "persist": 2}  # recovery within a process takes longer than a restart


def climb(mode: str, first: int, step: int, server: str | None, *flags: str, more_than: int = 250) -> None:
    """Run a ladder in its own process; all points must be right, and there must be `more_than` of them."""
    words = [sys.executable, str(CLIMB), mode, "--first", str(first), "--step", str(step), *flags]
    words += ["--server", server] if server else []
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=3600)
    sys.stdout.write(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    rungs = done.stdout.splitlines()
    assert rungs[-1].endswith("no such point")
    assert (len(rungs) - 1) * step > more_than


def server_of(form: str, request: pytest.FixtureRequest) -> str | None:
    """Return the URL of the PostgreSQL server; None for SQLite."""
    if form == "sqlite":
        return None
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.url("migrated")


@pytest.mark.parametrize("form", STEP)
@pytest.mark.parametrize("mode", MODES)
def test_some_rungs(mode: str, form: str, request: pytest.FixtureRequest) -> None:
    """From a random first point, which is in the output; --randomly-seed repeats it."""
    step = STEP[form] * (SLOW[mode] if form == "sqlite" else 1)
    climb(mode, random.randint(1, step), step, server_of(form, request))


@pytest.mark.parametrize("mode", ["exit", "raise"])
def test_some_rungs_with_answers_in_reply_to_submits(mode: str) -> None:
    """An answer that came is kept; one that was not on disk yet is an unknown outcome, and counted."""
    climb(mode, random.randint(1, 7), 7, None, "--at-once", more_than=80)


@pytest.mark.parametrize("form", STEP)
def test_a_job_that_ends_every_process_that_sends_it_is_held(
    form: str, request: pytest.FixtureRequest
) -> None:
    """After two automatic extras the job is held; the other jobs succeed, and the crashes end."""
    words = [sys.executable, str(CLIMB), "poison"]
    words += ["--server", server] if (server := server_of(form, request)) else []
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=WITHIN_S)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("form", STEP)
def test_a_process_that_ends_at_an_unreadable_reply_costs_nothing(
    form: str, request: pytest.FixtureRequest
) -> None:
    """A page came instead of the answer, the process was killed, and the answer is there: no extra."""
    words = [sys.executable, str(CLIMB), "unreadable"]
    words += ["--server", server] if (server := server_of(form, request)) else []
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=WITHIN_S)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("form", STEP)
def test_a_process_that_ends_at_an_invalid_answer_asks_neither_twice_nor_never(
    form: str, request: pytest.FixtureRequest
) -> None:
    """Before or after the commit of what was found, or before the request that asks again."""
    words = [sys.executable, str(CLIMB), "asks"]
    words += ["--server", server] if (server := server_of(form, request)) else []
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=WITHIN_S)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("form", STEP)
@pytest.mark.parametrize("mode", MODES)
def test_every_rung(mode: str, form: str, request: pytest.FixtureRequest) -> None:
    """From the first point to the last."""
    climb(mode, 1, 1, server_of(form, request))
