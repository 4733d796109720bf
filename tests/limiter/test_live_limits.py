"""Whole workers against the strict simulator: no limit is overrun, whatever happens to Redis."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pytest
from live_runner import LiveRunner, Simulator, wait_until, write_jobs
from redis import Redis
from redis.exceptions import RedisError

from runner.limiter.store import EPOCH_KEY
from runner.settings import socket_path

if TYPE_CHECKING:
    from pathlib import Path

TPM = 8_000
RUN = ("run", "jobs.jsonl", "-o", "out.jsonl")
RPM = "960"


def refusals(simulator: Simulator) -> tuple[int, int]:
    """Return how many submits and how many polls got a 429."""
    books = simulator.books()
    return books["refused"].get("429", 0), books["polls_refused"].get("429", 0)


def valkey_of(home: LiveRunner) -> Redis:
    """Return a client of the Valkey of a state folder."""
    return Redis(unix_socket_path=str(socket_path(home.path)))


def has_log(client: Redis, team: bytes) -> bool:
    """Return whether Redis answers and has its log; it has the limits of the team then."""
    with suppress(RedisError), client.pipeline(transaction=True) as look:
        look.exists(EPOCH_KEY)
        look.hget(team.decode(), "tpm")
        is_whole, tpm = look.execute()
        assert not is_whole or tpm == str(TPM).encode()
        return bool(is_whole)
    return False


def has_slots_of_polls(home: LiveRunner) -> bool:
    """Return whether a poll has a slot: an entry of a log without tokens."""
    with suppress(RedisError), valkey_of(home) as client:
        logs = list(client.scan_iter("{runner}:limit:*:log"))
        return any(member.endswith(b":0") for log in logs for member in client.zrange(log, 0, -1))
    return False


@pytest.mark.parametrize("is_set", [True, False], ids=["set by a person", "by settings"])
def test_redis_emptied_again_and_again_forgets_no_tokens(tmp_path: Path, *, is_set: bool) -> None:
    """Each time the log is rebuilt from the attempts before a slot is granted; else too many are granted.

    So is the limit of the team, whoever set it: by the model's far more tokens would be granted. Also where
    Valkey is killed in between. Only the window of a minute counts here: a request that a busy machine holds
    up does not leave it.
    """
    write_jobs(tmp_path / "jobs.jsonl", 200)
    flags = ("--rpm", "none", "--tpm", str(TPM), "--median-s", "0.2")
    with (
        Simulator(tmp_path, *flags) as simulator,
        LiveRunner(
            tmp_path, simulator, RUNNER_WORKERS="2", RUNNER_TEAM_TPM="" if is_set else str(TPM)
        ) as home,
    ):
        if is_set:
            home.start("load", "jobs.jsonl").wait()
            home.start("set", "--team", "--tpm", str(TPM)).wait()
        command = home.start(*RUN)
        home.wait_for_accepted(1, command)
        times_left = (
            16  # from then on when half of the tokens are used; without a log each time lets one through
        )
        with valkey_of(home) as client:
            (team,) = client.scan_iter("{runner}:team:*")
            while times_left:
                if times_left == 10:
                    home.kill("valkey")
                else:
                    client.flushall()
                wait_until(lambda: has_log(client, team), "the log is rebuilt")
                times_left -= simulator.books()["tokens"]["total"] > TPM / 2
        assert refusals(simulator) == (0, 0)
    command.process.wait()  # killed with its home


def test_an_emptied_redis_loses_no_job(tmp_path: Path) -> None:
    """Emptied and then killed under three workers: no job twice, and the ledgers agree."""
    write_jobs(tmp_path / "jobs.jsonl", 100)
    flags = ("--rpm", RPM, "--tpm", "none", "--median-s", "0.2")
    with (
        Simulator(tmp_path, *flags) as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_WORKERS="3", RUNNER_TEAM_RPM=RPM) as home,
    ):
        command = home.start(*RUN)
        home.wait_for_accepted(20, command)
        with valkey_of(home) as client:
            client.flushall()
        home.wait_for_accepted(50, command)
        home.kill("valkey")
        assert command.wait() == 0
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["accepted"] == 100


@pytest.mark.soak
def test_while_redis_does_not_answer_nothing_is_sent(tmp_path: Path) -> None:
    """Redis is frozen: after the slots already granted no request is sent until it answers again."""
    write_jobs(tmp_path / "jobs.jsonl", 150)
    flags = ("--rpm", RPM, "--tpm", "none", "--median-s", "0.2")
    with (
        Simulator(tmp_path, *flags) as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_WORKERS="2", RUNNER_TEAM_RPM=RPM) as home,
    ):
        command = home.start(*RUN)
        home.wait_for_accepted(30, command)
        (valkey,) = home.pids("valkey")
        os.kill(valkey, signal.SIGSTOP)

        def noticed() -> int:
            return sum(log.read_text().count("limiter.unavailable") for log in (home.path / "logs").iterdir())

        def last_heartbeat() -> int:
            return home.count("SELECT MIN(seen_at_ms) FROM workers")

        wait_until(lambda: noticed() == 2, "both workers notice")
        accepted, before = simulator.books()["accepted"], last_heartbeat()
        wait_until(lambda: last_heartbeat() > before, "both go on")
        assert simulator.books()["accepted"] == accepted
        os.kill(valkey, signal.SIGCONT)
        assert command.wait(90) == 0
        assert refusals(simulator) == (0, 0)
        assert home.ledger_errors(simulator) == []


@pytest.mark.parametrize("setting", ["always", pytest.param("auto", marks=pytest.mark.soak)])
def test_polls_that_count_share_the_limit(setting: str, tmp_path: Path) -> None:
    """Charged from the start, polls have slots before any 429; detected by 429s, the run ends well too."""
    write_jobs(tmp_path / "jobs.jsonl", 60)
    flags = ("--rpm", RPM, "--tpm", "none", "--median-s", "0.5", "--polls-count")
    env = {"RUNNER_WORKERS": "2", "RUNNER_CHARGE_POLLS": setting, "RUNNER_TEAM_RPM": RPM}
    with Simulator(tmp_path, *flags) as simulator, LiveRunner(tmp_path, simulator, **env) as home:
        if setting == "always":
            simulator.switch(faults={"fetch:503": 1.0})  # it cannot end before its slots were seen
        command = home.start(*RUN)
        if setting == "always":
            wait_until(lambda: has_slots_of_polls(home), "a poll has a slot")
            simulator.switch(faults={})
        assert command.wait() == 0
        assert home.ledger_errors(simulator) == []


def test_no_more_jobs_wait_at_the_api_than_allowed(tmp_path: Path) -> None:
    """At any moment, over all processes, by the simulator's books."""
    write_jobs(tmp_path / "jobs.jsonl", 60)
    with (
        Simulator(tmp_path, "--rpm", "none", "--tpm", "none", "--median-s", "0.3") as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_WORKERS="3") as home,
    ):
        command = home.start(*RUN, "--max-waiting", "7")
        assert command.wait() == 0
        jobs: list[dict[str, Any]] = simulator.books()["jobs"]
        steps = sorted(step for job in jobs for step in ((job["accepted_at"], 1), (job["fetched_at"], -1)))
        assert max(accumulate(change for _, change in steps)) <= 7
        assert home.ledger_errors(simulator) == []
