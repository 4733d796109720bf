"""Every `--json` output and every file of a run, compared byte for byte with the folder `held`.

Times, ids and paths are masked. `make golden` writes the folder again; `git diff` then shows each change.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import stories
from servers import RedisServer
from sqlalchemy import create_engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import PostgresServer

HELD: Final = Path(__file__).parent / "held"
_AROUND: Final = 60  # bytes shown beside the first difference


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "play",
    [
        stories.nothing_yet,
        stories.whole_run,
        stories.paused_runs,
        stories.doubtful_answers,
        stories.answers_out,
    ],
    ids=lambda play: play.__name__,
)
def test_every_byte_is_as_it_was(play: Callable[[stories.Story], None], tmp_path: Path) -> None:
    """Play each story with a fresh state folder and a fresh simulator."""
    no_costs = ("--no-ticks",) if play is stories.doubtful_answers else ()  # costs are estimated then
    with stories.begin(play.__name__, tmp_path, *no_costs) as story:
        play(story)
    hold(story.files)


@pytest.mark.timeout(400)
def test_every_byte_of_servers_is_as_it_was(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """Play the story of shared servers on a database without tables."""
    with postgres_server.fresh("template1") as url, RedisServer() as redis:
        shared = {"RUNNER_DATABASE_URL": url, "RUNNER_REDIS_URL": redis.url}
        with stories.begin("shared_servers", tmp_path, **shared) as story:
            stories.shared_servers(story, lambda: workers_of(url))
    hold(story.files)


def workers_of(url: str) -> int:
    """Return how many workers a database has on record."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return int(connection.exec_driver_sql("SELECT COUNT(*) FROM workers").scalar_one())
    finally:
        engine.dispose()


def hold(files: dict[str, bytes]) -> None:
    """Compare the output with the held files; with GOLDEN=write replace them by it."""
    if os.environ.get("GOLDEN") == "write":
        HELD.mkdir(exist_ok=True)
        for name, said in files.items():
            (HELD / name.replace("/", ".")).write_bytes(said)
        return
    held = {name: (HELD / name.replace("/", ".")).read_bytes() for name in files}
    found = [_difference(name, held[name], said) for name, said in files.items() if held[name] != said]
    assert not found, "\n".join([*found, "if this change is wanted: make golden, and review the diff"])


def _difference(name: str, held: bytes, said: bytes) -> str:
    """Describe the first line that differs: its command, and the bytes around the difference."""
    before, after = held.splitlines(keepends=True), said.splitlines(keepends=True)
    at = next((n for n, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), None)
    if at is None:
        return f"{name}: {len(before)} lines were held, {len(after)} came"
    one, other = before[at], after[at]
    column = next((n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
    spot = slice(max(0, column - _AROUND), column + _AROUND)
    command = next((line for line in reversed(before[: at + 1]) if line.startswith(b'{"command"')), b"")
    where = f"{name}, line {at + 1}, byte {column}, after {command.decode().strip()}"
    return f"{where}\n  held: {one[spot]!r}\n  came: {other[spot]!r}"
