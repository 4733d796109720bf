"""Real processes and all faults of the simulator together, at 2 % each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from live_runner import KEY, NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from pathlib import Path

JOBS = 300


def test_every_fault_at_two_percent_loses_nothing(tmp_path: Path) -> None:
    """Each job has one end, each extra has its reason, and their sums fit the simulator's books."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    flags = ("--median-s", "0.1", "--submit-ms", "20", "--faults", "0.02", "--hang-s", "1")
    with (
        Simulator(tmp_path, *NO_LIMITS, *flags, seed=7) as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        code = home.start().wait()
        books = simulator.books()

        assert home.ledger_errors(simulator) == []
        assert code == (1 if home.count("SELECT COUNT(*) FROM jobs WHERE state <> 'succeeded'") else 0)
        assert home.count("SELECT COUNT(*) FROM jobs WHERE state = 'succeeded'") > 0.9 * JOBS
        assert {kind for kind, n in books["faults"].items() if n} == {
            *("429", "500", "500_after", "503", "reset_before", "reset_after", "hang", "520", "capacity"),
            *("409", "425", "499", "521", "529", "403_page", "200_page"),
            *("garbage", "cut", "lost", "failed", "no_choices"),
            *("empty200", "html200", "trunc200", "err200", "pending200", "lone", "bom"),
        }
        wait_until(home.has_no_processes, "no process outlives the command")
        with_key = [
            file for file in home.path.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()
        ]
        assert with_key == []
