"""Workers follow what `runner set` changes of a run that is at work, embedded and on shared servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from cli_calls import run_command
from live_runner import NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs
from redis import Redis

from runner.limiter.store import state_and_log
from runner.settings import socket_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hosts import Fleet

JOBS: Final = 6_000  # a minute and more at the rate below: the run does not end before the test
PACE: Final = ("--median-s", "0.2")
AT_WORK: Final = 60  # accepted requests before anything is changed
SENT: Final = "SELECT worker, COUNT(*) FROM attempts GROUP BY worker"
SOME_MORE: Final = 20
ANSWERS: Final = "SELECT COUNT(*) FROM attempts WHERE collected_at_ms > 0"


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is set while a run is at work, and a query whose number is 0 before and more than 0 soon after.

    `before`: options from the start on. `fields`: of each job. `answers`: so many have come before.
    """

    words: tuple[str, ...]
    seen: str
    before: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    fields: Mapping[str, object] | None = None
    answers: int = 20


PAUSED: Final = "SELECT COUNT(*) FROM runs WHERE state = 'paused' AND pause_reason = '{}'"
CHANGES: Final = {
    "budget": Change(words=("--budget", "0.2"), seen=PAUSED.format("budget"), before=("--budget", "none")),
    "max-waiting": Change(
        words=("--max-waiting", "400"),
        seen="SELECT COUNT(*) > 300 FROM jobs WHERE state IN ('waiting', 'collecting')",
        before=("--max-waiting", "80"),
        answers=0,
    ),
    "max-attempts": Change(
        words=("--max-attempts", "1"),
        seen="SELECT COUNT(*) FROM jobs WHERE state = 'failed'",
        before=("--max-attempts", "100"),
        faults=("--fault", "failed=0.3"),
    ),
    "max-failures": Change(
        words=("--max-failures", "3"),
        seen=PAUSED.format("failures"),
        before=("--max-attempts", "1"),
        faults=("--fault", "failed=0.2"),
    ),
    "fail-on": Change(
        words=("--fail-on", "length"),
        seen="SELECT COUNT(*) FROM jobs WHERE state = 'failed' AND error_code = 'length'",
        fields={"max_completion_tokens": 2},
    ),
    "on-ambiguous": Change(
        words=("--on-ambiguous", "hold"),
        seen="SELECT COUNT(*) FROM jobs WHERE state = 'held' AND extras = 1",
        faults=("--fault", "500_after=0.2"),
    ),
}


def _follow(home: LiveRunner, change: Change) -> None:
    """Start a run, change it while it is at work, and wait until that is seen."""
    write_jobs(home.folder / "jobs.jsonl", JOBS, **(change.fields or {}))
    for words in (
        ("load", "jobs.jsonl", "-q"),
        ("set", "1", "--rpm", "6000", "--tpm", "none", *change.before),
        ("start", "1", "--detach"),
    ):
        run_command(words, home.folder, home.env)
    wait_until(lambda: home.accepted() >= AT_WORK, "the run is at work")
    wait_until(lambda: home.count(ANSWERS) >= change.answers, "its workers know its first options")
    assert home.count(change.seen) == 0, "not before it is set"
    run_command(("set", "1", *change.words), home.folder, home.env)
    wait_until(lambda: home.count(change.seen) > 0, "the workers follow", 60)
    run_command(("cancel", "1", "--now", "--yes"), home.folder, home.env)


@pytest.mark.parametrize("option", CHANGES)
def test_the_workers_of_a_state_folder_follow(option: str, tmp_path: Path) -> None:
    """Without a start or a notification: they read the options of runs at work again and again."""
    change = CHANGES[option]
    pace = ("--median-s", "3600") if option == "max-waiting" else PACE
    with (
        Simulator(tmp_path, *NO_LIMITS, *pace, *change.faults) as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_WORKERS="1") as home,  # a second one would begin with the new
    ):
        _follow(home, change)


@pytest.mark.parametrize("option", ["budget", "fail-on"])
def test_the_workers_of_shared_servers_follow(option: str, fleet: Callable[..., Fleet]) -> None:
    """Two processes of another host, by the database alone."""
    made = fleet(*PACE)
    made.host("a").worker("--processes", "2", "--beat")
    _follow(made.host("b"), CHANGES[option])


def _follow_rate(home: LiveRunner, redis: Redis) -> None:
    """Change the rate of a run at work; both of its workers send by it from then on."""
    write_jobs(home.folder / "jobs.jsonl", JOBS)
    for words in (
        ("load", "jobs.jsonl", "-q"),
        ("set", "1", "--rpm", "6000", "--tpm", "none"),
        ("start", "1", "--detach"),
    ):
        run_command(words, home.folder, home.env)
    wait_until(lambda: len(home.query(SENT)) == 2, "both workers send")
    run_command(("set", "1", "--rpm", "4800"), home.folder, home.env)
    wait_until(lambda: _is_sent_by(4_800, home, redis), "both workers follow", 60)
    run_command(("cancel", "1", "--now", "--yes"), home.folder, home.env)


def _is_sent_by(rpm: int, home: LiveRunner, redis: Redis) -> bool:
    """Return whether the bucket of the run keeps to a rate until each worker has sent some more jobs.

    A worker that has another rate would set that.
    """
    wanted = {worker: sent + SOME_MORE for worker, sent in home.query(SENT)}
    while any(sent < wanted.get(worker, 0) for worker, sent in home.query(SENT)):
        found: Any = redis.hget(state_and_log(1)[0], "force_rpm")
        if int(found or 0) != rpm:
            return False
    return True


def test_the_workers_of_a_state_folder_follow_a_rate(tmp_path: Path) -> None:
    """Two of them, by the database alone."""
    with (
        Simulator(tmp_path, *NO_LIMITS, *PACE) as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_WORKERS="2") as home,
        Redis(unix_socket_path=str(socket_path(home.path))) as redis,
    ):
        _follow_rate(home, redis)


def test_the_workers_of_shared_servers_follow_a_rate(fleet: Callable[..., Fleet]) -> None:
    """The same on PostgreSQL and Redis."""
    made = fleet(*PACE)
    made.host("a").worker("--processes", "2", "--beat")
    with Redis.from_url(made.redis.url) as redis:
        _follow_rate(made.host("b"), redis)


def test_a_command_for_the_end_that_is_set_under_way_is_called(tmp_path: Path) -> None:
    """By the engine, as the run is detached."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with Simulator(tmp_path, *NO_LIMITS, *PACE) as simulator, LiveRunner(tmp_path, simulator) as home:
        for words in (("load", "jobs.jsonl"), ("start", "1", "--detach")):
            run_command(words, home.folder, home.env)
        run_command(("set", "1", "--on-end", "touch called"), home.folder, home.env)
        run_command(("cancel", "1", "--now", "--yes"), home.folder, home.env)
        wait_until(lambda: any(tmp_path.rglob("called")), "the command is called")
