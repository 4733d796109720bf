"""Small runs: ten jobs and an API that answers at once, so that start and end of runner are measured."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Final

import bench_setups
from commands import rest, timed, timed_python
from figures import Figure, spread
from live_runner import RUN, LiveRunner, Simulator, write_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TITLE: Final = "Ten jobs, and commands that only read"
JOBS: Final = 10
TIMES: Final = 7
TIMES_NEW: Final = 5
RUN_S, HELP_S, STATUS_S = 2.0, 0.3, 0.6


def measure(folder: Path) -> Iterator[Figure]:
    """Measure the wall time of whole commands."""
    python_s, library_s = _times(TIMES, lambda: timed_python("pass")), _library_s()
    starts = f"Python alone {spread(python_s)} s, with SQLAlchemy {spread(library_s)} s"
    with Simulator(folder, *bench_setups.INSTANT) as simulator:
        firsts = [_first(folder / f"new-{n}", simulator) for n in range(TIMES_NEW)]
        (folder / "kept").mkdir()
        with LiveRunner(folder / "kept", simulator) as home:
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
    """Measure the import of SQLAlchemy, which every command with the database needs."""
    return _times(TIMES, lambda: timed_python("import sqlalchemy"))


def _first(folder: Path, simulator: Simulator) -> float:
    """Measure a run in a new state folder, without observations of the model."""
    folder.mkdir()
    with LiveRunner(folder, simulator) as home:
        write_jobs(folder / "jobs.jsonl", JOBS)
        took_s = timed(home, *RUN)
        rest(home)
    return took_s


def _again(home: LiveRunner) -> float:
    """Measure a run in a state folder that has had other runs."""
    rest(home)
    for path in home.folder.glob("out.*"):
        path.unlink()
    took_s = timed(home, *RUN, "--new")
    rest(home)
    return took_s


def _times(count: int, measured: Callable[[], float]) -> list[float]:
    return [measured() for _ in range(count)]
