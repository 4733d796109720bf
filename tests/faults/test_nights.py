"""The nightly line of docs/operations.md: killed, started twice, over midnight, it pays once a night."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import ledger
from live_runner import NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs
from shifted_clock import by_the_clock_in, set_clock
from test_kills import IN_FLIGHT

if TYPE_CHECKING:
    from pathlib import Path

    from live_runner import Command

DAY: Final = timedelta(days=1)
JOBS: Final = 140
KILLS: Final = 5
ZONE: Final = "Asia/Tokyo"
NIGHT: Final = ("run", "jobs.jsonl", "--occasion", "today", "--rpm", "none", "--tpm", "none")
PACE: Final = ("--median-s", "0.4", "--submit-ms", "15")


class Nights:
    """A state folder whose wall clock is set by the test, in a time zone of its own."""

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        self.folder, self.simulator = folder, simulator
        self._clock = folder / "clock"
        self.home = LiveRunner(folder, simulator, TZ=ZONE, **by_the_clock_in(self._clock))

    def set_time(self, local: datetime) -> None:
        """Set the wall clock of all processes of the state folder."""
        set_clock(self._clock, local.replace(tzinfo=ZoneInfo(ZONE)).timestamp() - time.time())

    def run(self, code: int = 0, *more: str) -> Command:
        """Run the line to its end, and check its exit code."""
        command = self.home.start(*NIGHT, *more)
        assert command.wait() == code, command.output
        return command

    def kill_at(self, accepted: int) -> None:
        """Start the line, and kill -9 command, engine, workers and Valkey at a number of acceptances.

        Then wait until the answers are ready: when hours have passed here, they have in the simulator's time.
        """
        self.home.hold_above(accepted, self.simulator)
        self.home.wait_for_accepted(accepted, self.home.start(*NIGHT))
        self.home.kill()
        self.simulator.switch(hold_after=None)
        wait_until(self._are_answers_ready, "all accepted answers are ready")

    def _are_answers_ready(self) -> bool:
        return all(job["ready_at"] <= time.time() for job in self.simulator.books()["jobs"])

    def runs(self) -> list[tuple[str, str]]:
        """Return the names and states of all runs, the oldest first."""
        return [(name, state) for name, state in self.home.query("SELECT name, state FROM runs ORDER BY id")]

    def output(self, day: str) -> Path:
        """Return the results file of a night."""
        return self.folder / f"jobs.{day}.results.jsonl"

    def ledger_errors(self, day: str) -> list[str]:
        """Return what the ledger finds wrong in the only run."""
        return ledger.check(
            f"sqlite:///{self.home.database}",
            self.output(day),
            self.folder / "jobs.jsonl",
            self.simulator.books(),
            crashed=True,
        )


def tonight(hour: int, minute: int) -> datetime:
    """Return a time of tomorrow in Tokyo: near the real time, and after all real times of the test."""
    real = datetime.now(UTC)
    return datetime(real.year, real.month, real.day, hour, minute) + DAY  # noqa: DTZ001 - of the other zone


def test_a_night_that_is_killed_five_times_is_paid_once(tmp_path: Path) -> None:
    """One run, and each request that was in flight at a kill is counted; afterwards nothing is sent."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with Simulator(tmp_path, *NO_LIMITS, *PACE) as simulator:
        nights = Nights(tmp_path, simulator)
        with nights.home:
            at = tonight(2, 15)
            day = at.date().isoformat()
            nights.set_time(at)
            for number in range(1, KILLS + 1):
                nights.kill_at(number * JOBS // (KILLS + 2))
            nights.run()
            assert nights.runs() == [(f"jobs@{day}", "finished")]
            assert nights.ledger_errors(day) == []
            accepted = simulator.books()["accepted"]
            assert JOBS <= accepted <= JOBS + KILLS * IN_FLIGHT

            written = nights.output(day).read_bytes()
            nights.output(day).unlink()
            assert f"run 1, jobs@{day}: finished" in nights.run().output
            assert nights.output(day).read_bytes() == written

            write_jobs(tmp_path / "jobs.jsonl", JOBS + 1)
            refused = nights.run(2)
            assert f"error: jobs@{day}, run 1, was loaded with other content" in refused.output
            assert simulator.books()["accepted"] == accepted

            nights.set_time(at + DAY)
            nights.run()
            assert simulator.books()["accepted"] == accepted + JOBS + 1
            next_day = (at + DAY).date().isoformat()
            assert nights.runs() == [(f"jobs@{day}", "finished"), (f"jobs@{next_day}", "finished")]
            assert len(nights.output(next_day).read_bytes().splitlines()) == JOBS + 1


def test_a_night_that_is_killed_before_midnight_goes_on_after_it(tmp_path: Path) -> None:
    """It keeps its date, and says so; when it has ended, the line begins the new day's."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with Simulator(tmp_path, *NO_LIMITS, *PACE) as simulator:
        nights = Nights(tmp_path, simulator)
        with nights.home:
            at = tonight(23, 50)
            day, next_day = at.date().isoformat(), (at + DAY).date().isoformat()
            nights.set_time(at)
            nights.kill_at(JOBS // 3)
            nights.set_time(at + timedelta(minutes=20))
            carried_on = nights.run()
            assert f"jobs@{day} has not ended yet: carrying it on\n" in carried_on.output
            assert nights.runs() == [(f"jobs@{day}", "finished")]
            assert nights.ledger_errors(day) == []
            assert JOBS <= simulator.books()["accepted"] <= JOBS + IN_FLIGHT

            write_jobs(tmp_path / "jobs.jsonl", 3)
            nights.run()
            assert nights.runs()[1:] == [(f"jobs@{next_day}", "finished")]


def test_a_line_that_is_started_twice_at_once_is_one_run(tmp_path: Path) -> None:
    """As by two crontabs at the same second: both wait for its end, and end with its exit code."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with (tmp_path / "jobs.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "unsafe", "model": "grok-4.3", "prompt": "[simulate:safety]"}\n')
    with Simulator(tmp_path, *NO_LIMITS, *PACE) as simulator:
        nights = Nights(tmp_path, simulator)
        with nights.home:
            nights.set_time(tonight(2, 15))
            commands = [nights.home.start(*NIGHT, "--json") for _ in range(3)]
            assert [command.wait() for command in commands] == [1, 1, 1]
            assert {json.loads(command.out.read_text())["run"] for command in commands} == {1}
            assert len(nights.runs()) == 1
            assert simulator.books()["accepted"] == JOBS  # the other one is refused
            assert nights.run(1).output.count("already") == 2
            assert simulator.books()["accepted"] == JOBS


def test_a_night_that_is_unfinished_at_the_next_ends_beside_it(tmp_path: Path) -> None:
    """24 hours later the line begins the new night; the engine that it starts finishes the older one too."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with Simulator(tmp_path, *NO_LIMITS, *PACE) as simulator:
        nights = Nights(tmp_path, simulator)
        with nights.home:
            at = tonight(2, 15) - DAY
            nights.set_time(at)
            nights.kill_at(JOBS // 3)
            nights.set_time(at + DAY)
            nights.run()
            assert nights.home.start("start", "1").wait() == 0
            days = [(at + n * DAY).date().isoformat() for n in range(2)]
            assert nights.runs() == [(f"jobs@{day}", "finished") for day in days]
            assert len(nights.output(days[1]).read_bytes().splitlines()) == JOBS
            assert 2 * JOBS <= simulator.books()["accepted"] <= 2 * JOBS + IN_FLIGHT
