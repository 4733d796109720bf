"""The small run: ten jobs and an API that answers at once. What is left is our own starting and ending."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Final

import world
from commands import rest, timed, timed_python
from figures import Figure, spread
from live import RUN, Home, Simulator, write_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TITLE: Final = "Ten jobs, and commands that only read"
JOBS: Final = 10
TIMES: Final = 7
TIMES_NEW: Final = 5
RUN_S, HELP_S, STATUS_S = 2.0, 0.3, 0.6


def measure(folder: Path) -> Iterator[Figure]:
    """Take the time of whole commands, as a user would with a watch."""
    python_s, library_s = _times(TIMES, lambda: timed_python("pass")), _library_s()
    starts = f"Python alone {spread(python_s)} s, with SQLAlchemy {spread(library_s)} s"
    with Simulator(folder, *world.INSTANT) as simulator:
        firsts = [_first(folder / f"new-{n}", simulator) for n in range(TIMES_NEW)]
        (folder / "kept").mkdir()
        with Home(folder / "kept", simulator) as home:
            write_jobs(home.folder / "jobs.jsonl", JOBS)
            timed(home, *RUN)
            again = _times(TIMES, lambda: _again(home))
            helps = _times(TIMES, lambda: timed(home, "--help"))
            status = _times(TIMES, lambda: timed(home, "status"))
    yield _figure(f"`runner run` of {JOBS} jobs, whole command", again, starts, RUN_S)
    yield _figure("the same, as the first run in a new state folder", firsts, starts, RUN_S)
    yield _figure("`runner --help`", helps, f"Python alone {spread(python_s)} s", HELP_S)
    yield _figure("`runner status`", status, f"Python with SQLAlchemy {spread(library_s)} s", STATUS_S)


def _figure(what: str, took_s: list[float], beside: str, most_s: float) -> Figure:
    return Figure(
        what=what,
        found=f"{spread(took_s)} s",
        beside=beside,
        asked=f"< {most_s:g} s",
        met=statistics.median(took_s) < most_s,
        runs=len(took_s),
    )


def _library_s() -> list[float]:
    """Time the import of the library that every command needs which looks into the database."""
    return _times(TIMES, lambda: timed_python("import sqlalchemy"))


def _first(folder: Path, simulator: Simulator) -> float:
    """Time a run where nothing is there yet: no database, and nothing learnt of the model."""
    folder.mkdir()
    with Home(folder, simulator) as home:
        write_jobs(folder / "jobs.jsonl", JOBS)
        took_s = timed(home, *RUN)
        rest(home)
    return took_s


def _again(home: Home) -> float:
    """Time a run in a state folder that has seen others, as most are."""
    rest(home)
    for path in home.folder.glob("out.*"):
        path.unlink()
    took_s = timed(home, *RUN, "--new")
    rest(home)
    return took_s


def _times(count: int, measured: Callable[[], float]) -> list[float]:
    return [measured() for _ in range(count)]
