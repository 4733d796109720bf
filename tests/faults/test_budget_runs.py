"""Real runs with a budget: they pause in time, print why, and resume with a larger one; nothing is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from live_runner import NO_LIMITS, RUN, LiveRunner, Simulator, write_jobs

if TYPE_CHECKING:
    from pathlib import Path

USD = 10**10  # ticks
JOBS = 200  # about $0.0009 each
PACE = ("--median-s", "0.1", "--submit-ms", "10")
UNREAD_FAULTS = ("500_after=0.05", "garbage=0.05", "lost=0.03", "failed=0.03", "no_choices=0.03")


def summary(folder: Path) -> dict[str, Any]:
    """Return the run's summary file."""
    content: dict[str, Any] = json.loads((folder / "out.summary.json").read_bytes())
    return content


def without_unfinished(errors: list[str]) -> list[str]:
    """Return the ledger's errors without L10: a paused run has unfinished jobs."""
    return [error for error in errors if not error.startswith("L10")]


def test_four_workers_keep_to_one_budget_and_go_on_with_another(tmp_path: Path) -> None:
    """Exit 6 with no job in flight; billed is at most the budget and cost beyond reservations (law L12)."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with (
        Simulator(tmp_path, *NO_LIMITS, *PACE, seed=3) as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_WORKERS="4") as home,
    ):
        command = home.start(*RUN, "--budget", "0.09")

        assert command.wait() == 6, command.output
        books, written = simulator.books(), summary(tmp_path)
        assert without_unfinished(home.ledger_errors(simulator)) == []
        assert written["paused_by"] == "budget"
        assert written["budget"] == {
            "usd": "0.09000000",
            "ticks": 9 * USD // 100,
            "used_ticks": books["ticks_accepted"],
            "reserved_ticks": 0,
        }
        assert books["pending"] == 0, "all results were fetched before the end"
        assert books["ticks_accepted"] > 0.07 * USD, "the budget was used"
        assert "and the next job reserves $0.00" in command.output
        assert "then: runner resume 1 --budget USD" in command.output

        first = (tmp_path / "out.summary.json").read_bytes()
        assert home.start("write", "1", "-o", "out.jsonl").wait() == 0
        assert (tmp_path / "out.summary.json").read_bytes() == first

        assert home.start(*RUN, "--budget", "20").wait() == 0
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["accepted"] == JOBS


def test_a_run_goes_on_by_the_command_that_a_raised_budget_names(tmp_path: Path) -> None:
    """`set` raises it, `status` names the command, and the run keeps to the new budget."""
    write_jobs(tmp_path / "jobs.jsonl", 3)
    with Simulator(tmp_path, *NO_LIMITS, "--instant") as simulator, LiveRunner(tmp_path, simulator) as home:
        assert home.start(*RUN, "--budget", "0.01").wait() == 6
        assert home.start("set", "1", "--budget", "5").wait() == 0

        status = home.start("status", "1")
        assert status.wait() == 0
        shown = " ".join(status.out.read_text().split())
        cause, _, command = shown.rpartition("; to continue: runner ")
        assert cause.endswith("its budget is $5.00 now")
        assert home.start(*command.split()).wait() == 0
        assert simulator.books()["accepted"] == 3
        assert (
            home.count("SELECT COUNT(*) FROM runs WHERE options LIKE '%\"budget_ticks\": 50000000000%'") == 1
        )


def test_doubts_and_a_crash_count_against_the_budget(tmp_path: Path) -> None:
    """Results that were never read count, and they still count after a crash."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    faults = [word for fault in UNREAD_FAULTS for word in ("--fault", fault)]
    with (
        Simulator(tmp_path, *NO_LIMITS, *PACE, *faults, seed=5) as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        home.hold_above(30, simulator)
        home.wait_for_accepted(30, home.start(*RUN, "--budget", "0.09"))
        home.kill()
        simulator.switch(hold_after=None)

        command = home.start(*RUN, "--budget", "0.09")
        assert command.wait() == 6, command.output
        assert without_unfinished(home.ledger_errors(simulator, crashed=True)) == []
        written = summary(tmp_path)
        assert written["cost"]["possible_extra_ticks"] > 0
        assert written["cost"]["unknown_jobs"] == 0
        known = written["cost"]["reported_ticks"] + written["cost"]["possible_extra_ticks"]
        assert written["budget"]["used_ticks"] >= known
        assert written["budget"]["reserved_ticks"] == 0


def test_what_cannot_be_kept_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    """An invalid amount, a model without a price, a budget below one job; without one the run resumes."""
    write_jobs(tmp_path / "jobs.jsonl", 3)
    write_jobs(tmp_path / "unpriced.jsonl", 3, model="unpriced-1")
    with Simulator(tmp_path, *NO_LIMITS, "--instant") as simulator, LiveRunner(tmp_path, simulator) as home:
        invalid = home.start(*RUN, "--budget", "0")
        assert invalid.wait() == 2
        assert "'0' is not more than 0 and at most 100,000,000 US dollars" in invalid.output

        unpriced = home.start("run", "unpriced.jsonl", "--budget", "5")
        assert unpriced.wait() == 2
        assert "nobody knows that of unpriced-1" in unpriced.output

        small = home.start(*RUN, "--budget", "0.01")
        assert small.wait() == 6
        assert "$0.0000 of the budget of $0.0100 are used, and the next job reserves $0.01" in small.output
        assert simulator.books()["accepted"] == 0

        assert home.start("start", "2", "--budget", "none").wait() == 0
        assert simulator.books()["accepted"] == 3
