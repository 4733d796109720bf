"""Whole workers against the strict simulator: no limit is overrun, whatever happens to Redis."""

from __future__ import annotations

import os
import signal
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pytest
from live_runner import LiveRunner, Simulator, wait_until, write_jobs
from redis import Redis

if TYPE_CHECKING:
    from pathlib import Path

TPM = 8_000
RUN = ("run", "jobs.jsonl", "-o", "out.jsonl", "--tpm", "none")


def refusals(simulator: Simulator) -> tuple[int, int]:
    """Return how many submits and how many polls got a 429."""
    books = simulator.books()
    return books["refused"].get("429", 0), books["polls_refused"].get("429", 0)


def test_redis_emptied_again_and_again_forgets_no_tokens(tmp_path: Path) -> None:
    """Each time the log is rebuilt from the attempts before a slot is granted; else too many are granted."""
    write_jobs(tmp_path / "jobs.jsonl", 200)
    flags = ("--rpm", "none", "--tpm", str(TPM), "--median-s", "0.2")
    with (
        Simulator(tmp_path, *flags) as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_WORKERS="2") as home,
    ):
        command = home.start("run", "jobs.jsonl", "-o", "out.jsonl", "--rpm", "none", "--tpm", str(TPM))
        home.wait_for_accepted(1, command)
        with Redis(unix_socket_path=str(home.path / "valkey.sock")) as client:
            for _ in range(12):
                client.flushall()
                wait_until(lambda: client.exists("{runner}:epoch"), "the log is rebuilt")
        books = simulator.books()
        assert refusals(simulator) == (0, 0)
        assert TPM / 2 < books["tokens"]["total"] <= TPM
    command.process.wait()  # killed with its home


def test_an_emptied_redis_overruns_nothing(tmp_path: Path) -> None:
    """Emptied and then killed under three workers: no 429, no job twice, and the ledgers agree."""
    write_jobs(tmp_path / "jobs.jsonl", 100)
    flags = ("--rpm", "960", "--tpm", "none", "--median-s", "0.2")
    with (
        Simulator(tmp_path, *flags) as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_WORKERS="3") as home,
    ):
        command = home.start(*RUN, "--rpm", "960")
        home.wait_for_accepted(20, command)
        with Redis(unix_socket_path=str(home.path / "valkey.sock")) as client:
            client.flushall()
        home.wait_for_accepted(50, command)
        home.kill("valkey")
        assert command.wait() == 0
        assert refusals(simulator) == (0, 0)
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["accepted"] == 100


@pytest.mark.soak
def test_while_redis_does_not_answer_nothing_is_sent(tmp_path: Path) -> None:
    """Redis is frozen: after the slots already granted no request is sent until it answers again."""
    write_jobs(tmp_path / "jobs.jsonl", 150)
    flags = ("--rpm", "960", "--tpm", "none", "--median-s", "0.2")
    with (
        Simulator(tmp_path, *flags) as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_WORKERS="2") as home,
    ):
        command = home.start(*RUN, "--rpm", "960")
        home.wait_for_accepted(30, command)
        (valkey,) = home.pids("valkey")
        os.kill(valkey, signal.SIGSTOP)

        def noticed() -> int:
            return sum(log.read_text().count("limiter.unavailable") for log in (home.path / "logs").iterdir())

        wait_until(lambda: noticed() >= 2, "both workers notice")
        accepted, before = simulator.books()["accepted"], noticed()
        wait_until(lambda: noticed() > before, "they notice again")
        assert simulator.books()["accepted"] == accepted
        os.kill(valkey, signal.SIGCONT)
        assert command.wait(90) == 0
        assert refusals(simulator) == (0, 0)
        assert home.ledger_errors(simulator) == []


@pytest.mark.parametrize("setting", ["always", pytest.param("auto", marks=pytest.mark.soak)])
def test_polls_that_count_share_the_limit(setting: str, tmp_path: Path) -> None:
    """Charged from the start, no poll gets a 429; detected by 429s, the run ends well too."""
    write_jobs(tmp_path / "jobs.jsonl", 60)
    flags = ("--rpm", "960", "--tpm", "none", "--median-s", "0.5", "--polls-count")
    env = {"RUNNER_WORKERS": "2", "RUNNER_CHARGE_POLLS": setting}
    with Simulator(tmp_path, *flags) as simulator, LiveRunner(tmp_path, simulator, **env) as home:
        command = home.start(*RUN, "--rpm", "960")
        assert command.wait() == 0
        assert home.ledger_errors(simulator) == []
        if setting == "always":
            assert refusals(simulator) == (0, 0)


def test_no_more_jobs_wait_at_the_api_than_allowed(tmp_path: Path) -> None:
    """At any moment, over all processes, by the simulator's books."""
    write_jobs(tmp_path / "jobs.jsonl", 60)
    with (
        Simulator(tmp_path, "--rpm", "none", "--tpm", "none", "--median-s", "0.3") as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_WORKERS="3") as home,
    ):
        command = home.start(*RUN, "--rpm", "none", "--max-waiting", "7")
        assert command.wait() == 0
        jobs: list[dict[str, Any]] = simulator.books()["jobs"]
        steps = sorted(step for job in jobs for step in ((job["accepted_at"], 1), (job["fetched_at"], -1)))
        assert max(accumulate(change for _, change in steps)) <= 7
        assert home.ledger_errors(simulator) == []
