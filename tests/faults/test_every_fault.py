"""The API on its worst day, with real processes: every fault it knows, at 3 % each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from live import KEY, NO_LIMITS, Home, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from pathlib import Path

JOBS = 300


def test_every_fault_at_three_percent_loses_nothing(tmp_path: Path) -> None:
    """Each line ends in one place, each extra has its reason, and the reasons add up with the API's books."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    flags = ("--median-s", "0.1", "--submit-ms", "20", "--faults", "0.03", "--hang-s", "1")
    with (
        Simulator(tmp_path, *NO_LIMITS, *flags, seed=7) as simulator,
        Home(tmp_path, simulator, RUNNER_READ_TIMEOUT_S="2") as home,
    ):
        code = home.start().ended(within_s=120)
        books = simulator.books()

        assert home.findings(simulator) == []
        assert code == (1 if home.count("SELECT COUNT(*) FROM jobs WHERE state <> 'succeeded'") else 0)
        assert home.count("SELECT COUNT(*) FROM jobs WHERE state = 'succeeded'") > 0.9 * JOBS
        assert {kind for kind, n in books["faults"].items() if n} == {
            *("429", "500", "500_after", "503", "reset_before", "reset_after", "hang", "520", "capacity"),
            *("garbage", "cut", "lost", "failed", "no_choices"),
        }
        wait_until(home.is_quiet, "no process outlives the command")
        told = [file for file in home.path.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]
        assert told == []
