"""Every listing within 80 cells of a terminal, whatever names, ids, codes and models there are."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest
from actors import ANN
from rich.cells import cell_len
from run_driver import NOW_MS, new_run
from sqlalchemy import text

from runner.db import migrate
from runner.db.events import trail
from runner.db.runs import run_moves
from runner.db.session import Database
from runner.db.workers import workers
from runner.rules.event_kinds import EventKind
from runner.rules.states import JobState, PauseReason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import Connection

WIDTH: Final = 80
NAMES: Final = (
    "reviews",
    "a-very-long-name-of-a-file-with-questions-of-customers@2026-11-28",
    "日本語の長い名前のファイル" * 4,
    "na\x1b[2Jme\rx\ty\u202e",
    "q@" + "x" * 64,
)
IDS: Final = ("r-1", "日本語の識別子" * 8, "x" * 90, "\x1b[31mred\r\tx\nnew", "Z\u0341\u0343\u0301" * 40)
NODE: Final = "w943-1@label-worker-7d9f8b6c5d-x2vkq.jobs.internal"
LISTINGS: Final = (
    *("list", "jobs 1", "jobs 2 --content", "jobs 3 --state failed", "jobs 1 --model other --limit 1"),
    *("events", "events 3", "events --kind set", "workers", "costs", "costs --by run", "costs --by day"),
    *("costs --by model", "set 1", "set 1 --rpm 60 --dry-run"),
    f"set 1 --on-end 'notify {'a-long-word ' * 9}' --dry-run",
)
SURROUNDINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "piped": {},
    "C": {"LC_ALL": "C"},
    "no color": {"NO_COLOR": "1", "TERM": "dumb"},
}


def write_run(connection: Connection, run: int, name: str) -> None:
    """Give a run a name, and its jobs ids, codes, models and lines that are hard to show."""
    occasion = name.rpartition("@")[2] if "@" in name else None
    values = {"run": run, "name": name, "occasion": occasion}
    connection.execute(text("UPDATE runs SET name = :name, occasion = :occasion WHERE id = :run"), values)
    for number, custom_id in enumerate(IDS, 1):
        connection.execute(
            text(
                "UPDATE jobs SET custom_id = :id, model = :model, line = 9999990 + :number, error_code ="
                " CASE WHEN state IN ('failed', 'held') THEN 'context_length' END"
                " WHERE run_id = :run AND line = :number"
            ),
            {"id": custom_id, "model": "grok-4.20-reasoning-日本", "number": number, "run": run},
        )
    new = {"rpm": 60, "budget_ticks": 20 * 10**10, "max_failures": 3}
    trail.record(
        connection, run, NOW_MS, EventKind.SET, actor=ANN, old=dict.fromkeys(new), new=new, cause="語" * 60
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with runs, jobs, events and workers that are hard to show."""
    folder = tmp_path_factory.mktemp("widths")
    (folder / "home").mkdir()
    database = Database(f"sqlite:///{folder / 'home' / 'runner.db'}")
    migrate.upgrade(database, None)
    for name in NAMES:
        driver = new_run(database, 6, identity=name)
        for state in (JobState.FAILED, JobState.SUCCEEDED, JobState.HELD, JobState.WAITING):
            driver.bring(state)
        with database.write() as connection:
            write_run(connection, driver.run_id, name)
    with database.write() as connection:
        run_moves.pause(connection, 1, PauseReason.FAILURES, "all jobs failed with one code " * 5, NOW_MS)
        connection.execute(text("UPDATE attempts SET ticks = 123456789012, possible_ticks = 12345678901"))
        for node in ("w1@a", NODE, "日本@ホスト名"):
            workers.register(
                connection, host="a-long-host-name.internal", node=node, pid=4194303, now_ms=NOW_MS
            )
    database.close()
    return folder


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
@pytest.mark.parametrize("words", LISTINGS)
def test_no_line_is_wider_than_a_terminal(folder: Path, words: str, surroundings: str) -> None:
    """Without one, too; and nothing in it moves the cursor."""
    done = subprocess.run(
        [sys.executable, "-m", "runner", *shlex.split(words)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "RUNNER_HOME": str(folder / "home"), **SURROUNDINGS[surroundings]},
        capture_output=True,
        check=True,
        timeout=120,
    )
    shown = done.stdout.decode()

    assert [line for line in shown.splitlines() if cell_len(line) > WIDTH] == []
    assert all(line.isprintable() or "\u3000" in line for line in shown.split("\n"))
    assert NODE in shown if words == "workers" else shown or "--limit" in words


def test_columns_are_aligned_where_names_are_wide(folder: Path) -> None:
    """Each cell of a column begins, or ends, where its heading does."""
    env = {"PATH": os.environ["PATH"], "RUNNER_HOME": str(folder / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "runner", "list"],
        cwd=folder,
        env=env,
        capture_output=True,
        check=True,
        timeout=120,
    )
    lines = done.stdout.decode().split("\n\n")[0].splitlines()
    columns = [
        cell_len(line.partition(word)[0]) for line in lines for word in ("started", "Jan ") if word in line
    ]

    assert len(columns) == len(NAMES) + 1
    assert len(set(columns)) == 1
