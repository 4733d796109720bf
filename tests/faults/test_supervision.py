"""A database that refuses some writes for a while: what runs in the background goes on afterwards.

The refusals do not pass by themselves, unlike those of a database that is away (test_healing.py).
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
from live_runner import NO_LIMITS, RUN, LiveRunner, Simulator, wait_until, write_jobs
from runtimes import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hosts import Fleet

MANY, FEW = 400, 20
PACE = ("--median-s", "0.3")
ANNOUNCED = ("--rpm", "60000")
FILE = ("run", "jobs.jsonl", "-o", "out.jsonl")
SLOWLY = (*FILE, "--rpm", "480", "--tpm", "none", "--max-failures", "5")
RESUME = ("resume", "jobs", "--rpm", "none", "--max-failures", "none")
TIMES = {"RUNNER_LEASE_S": "24", "RUNNER_READ_TIMEOUT_S": "14", "RUNNER_CONNECT_TIMEOUT_S": "5"}


class Place:
    """A home with a simulator; `logs` is where its workers log."""

    def __init__(self, home: LiveRunner, simulator: Simulator, logs: Path) -> None:
        self.home, self.simulator, self._logs = home, simulator, logs
        lines = write_jobs(home.folder / "jobs.jsonl", MANY).read_text().splitlines(keepends=True)
        for place in range(0, MANY, 2):  # these fail
            lines[place] = lines[place].replace('"grok-4.3"', '"grok-build-0.1", "reasoning_effort": "low"')
        (home.folder / "jobs.jsonl").write_text("".join(lines))

    def failures(self, name: str) -> int:
        """Count the errors of a task in the logs."""
        return self.logged(f'task.failed name="{name}"')

    def logged(self, words: str) -> int:
        """Count words in the logs."""
        files = self._logs.iterdir() if self._logs.is_dir() else [self._logs]
        return sum(file.read_text().count(words) for file in files)

    def wait_for_failure(self, name: str) -> None:
        """Wait until a task fails once more."""
        before = self.failures(name)
        wait_until(lambda: self.failures(name) > before, f"{name} fails")

    @contextmanager
    def refused(self, name: str, write: str, when: str) -> Iterator[None]:
        """Make the database refuse a kind of write for a while."""
        begin, end = refusal(name, write, when, is_sqlite=type(self.home) is LiveRunner)
        for statement in begin:
            self.home.change(statement)
        yield
        for statement in end:
            self.home.change(statement)


@pytest.fixture(params=["embedded", "shared"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Give a state folder with SQLite, then a worker with PostgreSQL."""
    with ExitStack() as stack:
        if request.param == "embedded":
            simulator = stack.enter_context(Simulator(tmp_path, *NO_LIMITS, *ANNOUNCED, *PACE))
            home = stack.enter_context(LiveRunner(tmp_path, simulator))
            yield Place(home, simulator, home.path / "logs")
        else:
            fleet: Callable[..., Fleet] = request.getfixturevalue("fleet")
            its = fleet(*ANNOUNCED, *PACE)
            host = its.host("a")
            yield Place(host, its.simulator, host.worker("--beat").err)


def test_a_run_that_meets_each_error_goes_on(place: Place) -> None:
    """Heartbeats, limits on record, `--max-failures`, and the end of the run."""
    home = place.home
    assert home.start("load", "jobs.jsonl").wait() == 0
    with (
        place.refused("pause", "UPDATE ON runs", "NEW.state = 'paused'"),
        place.refused("limits", "INSERT ON run_events", "NEW.kind = 'limits'"),
    ):
        place.simulator.switch(hold_after=MANY // 4)  # as many have failed then
        with place.refused("heartbeat", "UPDATE ON workers", "NEW.ended_at_ms IS NULL"):
            command = home.start(*SLOWLY)
            place.wait_for_failure("run monitor")
            place.wait_for_failure("heartbeat")
            seen_at_ms = home.count("SELECT MAX(seen_at_ms) FROM workers")
        wait_until(
            lambda: home.count("SELECT MAX(seen_at_ms) FROM workers") > seen_at_ms, "a heartbeat is on record"
        )
        place.wait_for_failure("run monitor")
        assert home.query("SELECT state FROM runs") == [("running",)]

    place.simulator.switch(hold_after=None)
    assert command.wait() == 8, command.output
    assert home.query("SELECT state, pause_reason FROM runs") == [("paused", "failures")]
    limits = home.query("SELECT cause FROM run_events WHERE kind = 'limits'")
    assert limits == [("grok-4.3: 60,000 requests a minute",)]

    with place.refused("ending", "UPDATE ON runs", "NEW.finished_at_ms IS NOT NULL"):
        resumed = home.start(*RESUME)
        place.wait_for_failure("run monitor")
        place.wait_for_failure("run monitor")
    assert resumed.wait() == 1, resumed.output
    assert home.query("SELECT state FROM runs") == [("finished",)]
    assert home.start(*FILE).wait() == 1
    assert home.ledger_errors(place.simulator) == []


@pytest.mark.parametrize(
    ("task", "when"),
    [
        ("submit", "NEW.state = 'submitting'"),
        ("collect", "NEW.state = 'collecting'"),
    ],
)
def test_a_loop_whose_time_slices_fail_begins_again(task: str, when: str, tmp_path: Path) -> None:
    """Celery logs each with its traceback; the reaper notifies again although it fails meanwhile, too.

    What a time slice had leased goes on when the leases have run out.
    """
    with (
        Simulator(tmp_path, *NO_LIMITS, *PACE) as simulator,
        LiveRunner(tmp_path, simulator, **TIMES) as home,
    ):
        place = Place(home, simulator, home.path / "logs")
        write_jobs(tmp_path / "jobs.jsonl", FEW)
        write_jobs(tmp_path / "done.jsonl", 1)
        assert home.start("run", "done.jsonl").wait() == 0
        home.change("UPDATE runs SET state = 'running', finished_at_ms = NULL")
        assert home.start("load", "jobs.jsonl").wait() == 0
        with place.refused("reaper", "UPDATE ON runs", "NEW.finished_at_ms IS NOT NULL AND NEW.id = 1"):
            with place.refused("slice", "UPDATE ON jobs", when):
                command = home.start(*RUN)
                wait_until(
                    lambda: place.logged(f"Task runner.{task}[") >= 2, f"{task} fails and begins again"
                )
                assert place.logged("refused by slice")
            assert command.wait() == 0, command.output
            assert place.logged("Task runner.reap[")
        assert simulator.books()["accepted"] == FEW + 1


def test_a_post_and_a_fetch_that_end_with_an_error(tmp_path: Path) -> None:
    """Each is logged with its job, and the jobs go on when their leases have run out."""
    with (
        Simulator(tmp_path, *NO_LIMITS, *PACE) as simulator,
        LiveRunner(tmp_path, simulator, **TIMES) as home,
    ):
        place = Place(home, simulator, home.path / "logs")
        write_jobs(tmp_path / "jobs.jsonl", FEW)
        assert home.start("load", "jobs.jsonl").wait() == 0
        posted, fetched = (job for (job,) in home.query("SELECT id FROM jobs ORDER BY id LIMIT 2"))
        with (
            place.refused("post", "UPDATE ON jobs", f"NEW.id = {posted} AND NEW.state = 'waiting'"),
            place.refused("fetch", "UPDATE ON jobs", f"NEW.id = {fetched} AND NEW.state = 'succeeded'"),
        ):
            command = home.start(*RUN)
            for name in (f"post {posted}", f"get {fetched}"):
                wait_until(lambda name=name: place.failures(name), f"{name} fails")  # type: ignore[misc]

        assert command.wait() == 0, command.output
        assert home.ledger_errors(simulator, crashed=True) == []
        assert simulator.books()["accepted"] <= FEW + 2
