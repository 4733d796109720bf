"""Runs paused by themselves or by the user: nothing is sent, jobs in flight are collected, they resume."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cli_calls import run_command
from live_runner import NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs

from runner.rules.sending.breaker import WINDOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOBS = 200
SOME = 60
PACE = ("--median-s", "0.5", "--submit-ms", "40")
FILE = ("run", "jobs.jsonl", "-o", "out.jsonl")
SLOWLY = (*FILE, "--rpm", "300", "--tpm", "none")  # slow enough that another command comes in time
EVENTS = "SELECT kind, cause FROM run_events ORDER BY id"
MANY_IN_FLIGHT = 32  # HTTP requests of a worker


@contextmanager
def at_work(
    folder: Path, *flags: str, jobs: int = JOBS, **fields: Any
) -> Iterator[tuple[Simulator, LiveRunner]]:
    """Write a job file; yield a simulator without limits and an empty state folder."""
    write_jobs(folder / "jobs.jsonl", jobs, **fields)
    with Simulator(folder, *NO_LIMITS, *(flags or PACE)) as simulator, LiveRunner(folder, simulator) as home:
        yield simulator, home


def runner(home: LiveRunner, *words: str, code: int = 0) -> str:
    """Run one command to its end; return its output."""
    return run_command(words, home.folder, home.env, code).output


def state(home: LiveRunner) -> tuple[Any, ...]:
    (found,) = home.query("SELECT state, pause_reason FROM runs")
    return found


def test_the_breaker_stops_a_run_that_pays_for_nothing(tmp_path: Path) -> None:
    """Most replies are lost but their requests are accepted: no more is paid than what trips the breaker.

    With many requests at a time that is soon; with few, requests become rarer before.
    """
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with (
        Simulator(tmp_path, *NO_LIMITS, *PACE) as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_CONCURRENCY=str(MANY_IN_FLIGHT)) as home,
    ):
        simulator.switch(hold_after=SOME)
        command = home.start()
        home.wait_for_accepted(SOME, command)
        simulator.switch(faults={"submit:reset_after": 0.6}, hold_after=None)

        assert command.wait() == 8
        assert state(home) == ("paused", "breaker")
        assert "ended without a reply" in command.output
        assert simulator.books()["unanswered"] <= WINDOW + MANY_IN_FLIGHT
        assert "resume 1" in runner(home, "status")

        simulator.switch(faults={})
        assert home.start().wait() == 0
        assert home.ledger_errors(simulator) == []


def test_twenty_failures_alike_stop_a_run_once(tmp_path: Path) -> None:
    """Equal failures are one mistake; a run that the user resumes is not paused for it again."""
    with at_work(tmp_path, jobs=120, model="grok-build-0.1", reasoning_effort="low") as (simulator, home):
        command = home.start(*SLOWLY)

        assert command.wait() == 8
        assert state(home) == ("paused", "failures")
        assert "failed with bad-request" in command.output
        assert home.count("SELECT COUNT(*) FROM jobs WHERE state = 'pending'") > 0

        assert home.start().wait() == 1
        assert home.ledger_errors(simulator) == []
        assert [kind for kind, _ in home.query(EVENTS)].count("paused") == 1


def test_max_failures_holds_until_it_is_raised(tmp_path: Path) -> None:
    """The limit is the user's, so the same command pauses again at once."""
    with at_work(tmp_path, jobs=100, model="grok-build-0.1", reasoning_effort="low") as (simulator, home):
        runner(home, *SLOWLY, "--max-failures", "5", code=8)
        runner(home, *SLOWLY, "--max-failures", "5", code=8)
        assert "--max-failures is 5" in str(home.query(EVENTS))
        assert home.count("SELECT COUNT(*) FROM jobs WHERE state = 'pending'") > 0
        runner(home, "resume", "jobs", "--max-failures", "none", "--rpm", "none", code=1)
        runner(home, *FILE, code=1)
        assert home.ledger_errors(simulator) == []


def test_the_user_pauses_what_is_out_is_collected_and_resume_goes_on(tmp_path: Path) -> None:
    """The command that follows the run ends when no job is in flight, with the code of a pause."""
    with at_work(tmp_path) as (simulator, home):
        command = home.start(*SLOWLY)
        home.wait_for_accepted(SOME // 4, command)
        assert "to continue: runner resume 1" in runner(home, "pause", "jobs")

        assert command.wait() == 8
        assert state(home) == ("paused", "user")
        assert home.count("SELECT COUNT(*) FROM jobs WHERE state NOT IN ('pending', 'succeeded')") == 0
        assert simulator.books()["accepted"] < JOBS

        runner(home, "resume", "jobs", "--rpm", "none")
        assert home.start().wait() == 0
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["accepted"] == JOBS


def test_cancel_sends_nothing_more_and_collects_what_is_paid(tmp_path: Path) -> None:
    """A dry run changes nothing; without a terminal --yes is needed; retry undoes the cancellation."""
    with at_work(tmp_path) as (simulator, home):
        command = home.start(*SLOWLY)
        home.wait_for_accepted(SOME // 4, command)
        assert "would cancel" in runner(home, "cancel", "jobs", "--dry-run")
        assert "add --yes" in runner(home, "cancel", "jobs", code=2)
        runner(home, "cancel", "jobs", "--yes")

        assert command.wait() == 9
        assert home.query("SELECT state, finished_at_ms IS NOT NULL FROM runs") == [("cancelled", 1)]
        assert home.ledger_errors(simulator) == []
        sent = simulator.books()["accepted"]
        assert home.count("SELECT COUNT(*) FROM jobs WHERE state = 'succeeded'") == sent < JOBS

        runner(home, "retry", "jobs", "--cancelled", "--yes")
        assert home.start().wait() == 0
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["accepted"] == JOBS


def test_cancel_now_abandons_answers_and_counts_what_they_may_cost(tmp_path: Path) -> None:
    """The results would come in an hour; the run ends at once."""
    with at_work(tmp_path, "--median-s", "3600", "--sigma", "0") as (simulator, home):
        command = home.start()
        home.wait_for_accepted(JOBS, command)
        output = runner(home, "cancel", "jobs", "--now", "--yes")

        assert "cancelled" in output
        assert command.wait() == 9
        assert home.ledger_errors(simulator) == []
        summary = json.loads((tmp_path / "out.summary.json").read_bytes())
        assert summary["counts"]["cancelled"] == JOBS
        assert summary["cost"]["possible_extra_ticks"] > 0


def test_answers_that_expired_are_offered_and_not_bought_again(tmp_path: Path) -> None:
    """After 25 hours without runner the jobs are held; the command to retry them is shown with its price."""
    jobs, day_s = 30, 12.0
    scaled = ("--median-s", "80000", "--sigma", "0", "--clock-scale", str(86_400 / day_s))
    with at_work(tmp_path, *scaled, jobs=jobs) as (simulator, home):
        command = home.start()
        home.wait_for_accepted(jobs, command)
        home.kill()
        accepted_at = simulator.books()["last_accepted_at"]
        wait_until(lambda: time.time() > accepted_at + day_s, "the results have expired")
        home.change("UPDATE jobs SET accepted_at_ms = accepted_at_ms - 90000000, due_at_ms = 0")

        again = home.start()
        assert again.wait() == 1
        expired = home.count("SELECT COUNT(*) FROM jobs WHERE state = 'held' AND error_code = 'expired'")
        assert expired > 0
        assert simulator.books()["accepted"] == jobs
        assert f"{expired} expired, about $" in again.output
        assert "runner retry 1 --lost" in again.output

        simulator.switch(median_s=0)
        runner(home, "retry", "1", "--lost", "--yes")
        assert home.start().wait() == 0
        assert home.count("SELECT COUNT(*) FROM jobs WHERE state = 'succeeded'") == jobs
        assert simulator.books()["accepted"] == jobs + expired


def test_the_limits_that_the_api_announces_are_on_record_once(tmp_path: Path) -> None:
    """Once for all workers, and again when they change."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    generous = ("--rpm", "60000", "--tpm", "none")
    with (
        Simulator(tmp_path, *generous, *PACE) as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_WORKERS="2") as home,
    ):
        simulator.switch(hold_after=SOME)
        command = home.start()
        home.wait_for_accepted(SOME, command)
        simulator.switch(rpm=50_000, hold_after=None)

        assert command.wait() == 0
        limits = [cause for kind, cause in home.query(EVENTS) if kind == "limits"]
        assert limits[0] == "grok-4.3: 60,000 requests a minute"
        assert limits[-1] == "grok-4.3: 50,000 requests a minute"
        assert len(limits) <= 4  # a reply in flight may still announce the old limits
