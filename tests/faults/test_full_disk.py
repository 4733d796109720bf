"""The disk of the state folder fills up during a run: no result is fetched that cannot be stored."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from live_runner import NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

JOBS = 160
SLOW_S: Final = 20.0  # so long the second half of the answers takes
SIZE_MB: Final = 96
LEFT_MB: Final = 20  # less than the free space that runner needs to fetch, and enough for its logs
RUNNER: Final = (sys.executable, "-m", "runner", "run", "jobs.jsonl", "-o", "out.jsonl", "--rpm", "1800")


@contextmanager
def small_disk(at: Path) -> Iterator[tuple[list[str], Path]]:
    """Mount a small tmpfs; yield the command prefix that enters its namespace, and its path from outside."""
    at.mkdir(mode=0o700)
    mount = f"mount -t tmpfs -o size={SIZE_MB}m tmpfs '{at}' && echo mounted && exec sleep 3600"
    with subprocess.Popen(
        ["unshare", "-Urm", "sh", "-c", mount], stdout=subprocess.PIPE, text=True
    ) as keeper:
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == "mounted\n"
        enter = ["nsenter", "-t", str(keeper.pid), "-U", "-m", "--preserve-credentials", f"--wd={at.parent}"]
        try:
            yield enter, Path(f"/proc/{keeper.pid}/root{at}")
        finally:
            keeper.kill()


def test_nothing_is_fetched_that_could_not_be_kept(tmp_path: Path) -> None:
    """The run waits and prints why; killed and started again with free space, it has lost nothing."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with (
        Simulator(tmp_path, *NO_LIMITS, "--median-s", "1", "--sigma", "0") as simulator,
        small_disk(tmp_path / "home") as (enter, disk),
        LiveRunner(tmp_path, simulator) as home,
    ):
        simulator.switch(hold_after=JOBS // 2)
        command = home.start_command([*enter, *RUNNER])
        wait_until(lambda: simulator.books()["accepted"] == JOBS // 2, "half of the jobs are out")
        simulator.switch(median_s=SLOW_S, hold_after=None)
        wait_until(lambda: simulator.books()["fetched"] >= 20, "results are fetched")

        filler = disk / "filler"
        with filler.open("wb") as file:
            file.write(bytes((SIZE_MB - LEFT_MB) << 20))
        wait_until(lambda: "continues by itself" in command.output, "the run waits")
        assert "is full" in command.output
        pending = simulator.books()["pending"]
        assert pending > 0
        polls = simulator.books()["polls"]
        wait_until(
            lambda: simulator.books()["fetched"] + pending >= simulator.books()["accepted"],
            "nothing is submitted any more",
        )
        home.kill()
        filler.unlink()

        again = home.start_command([*enter, *RUNNER])
        assert again.wait() == 0, again.output
        books = simulator.books()
        assert books["accepted"] == books["fetched"] == JOBS
        assert books["polls"] > polls
        assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == JOBS
