"""The night in which summer time begins: in Berlin 02:00 becomes 03:00, and the night is one all the same."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import night_ledger
from live_runner import IN_FLIGHT, NO_LIMITS, LiveRunner, Simulator
from shifted_clock import by_the_clock_in, set_clock
from suite_folder import EPOCHS, ITEMS, write_suite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVAL: Final = ("eval", "sums.suite.toml", "--rpm", "none", "--tpm", "none")
REQUESTS: Final = ITEMS * EPOCHS
BERLIN: Final = ZoneInfo("Europe/Berlin")


class Berlin:
    """A folder with the suite whose nights are those of Berlin, where a test says what time it is."""

    def __init__(self, folder: Path, simulator: Simulator, **env: str) -> None:
        self.clock, self.simulator = folder / "clock", simulator
        self.home = LiveRunner(folder, simulator, **by_the_clock_in(self.clock), **env)

    def set(self, day: int, hour: int, minute: int) -> None:
        """Set the clock to a local time of March 2027; summer time begins on the 28th."""
        local = datetime(2027, 3, day, hour, minute, tzinfo=BERLIN)
        set_clock(self.clock, local.timestamp() - time.time())

    def eval(self) -> str:
        """Measure tonight to its end, as cron does; return what is printed."""
        command = self.home.start(*EVAL)
        assert command.wait() == 0, command.output
        return command.output

    def nights(self) -> list[str]:
        """Return the names of all nights, oldest first."""
        return [name for (name,) in self.home.query("SELECT name FROM eval_nights ORDER BY id")]


@contextmanager
def in_berlin(folder: Path, *, by_the_suite: bool) -> Iterator[Berlin]:
    """Give the folder; the time zone is that of the suite, or of the machine."""
    suite = write_suite(folder)
    zone = 'timezone = "Europe/Berlin"\n' if by_the_suite else ""
    suite.write_text(suite.read_text().replace('timezone = "UTC"\n', zone))
    flags = (*NO_LIMITS, "--median-s", "0.3", "--submit-ms", "15", "--answers", str(folder / "answers.jsonl"))
    with Simulator(folder, *flags) as simulator:
        berlin = Berlin(folder, simulator, TZ="UTC" if by_the_suite else "Europe/Berlin")
        with berlin.home:
            yield berlin


def test_a_night_over_the_missing_hour_is_one_night(tmp_path: Path) -> None:
    """Begun at 01:59 and killed, it is carried on at 03:01 and not paid twice; at 02:30 of cron, too.

    The nights before and after it are others: the day of 23 hours takes no place of theirs.
    """
    with in_berlin(tmp_path, by_the_suite=False) as berlin:
        berlin.set(27, 23, 30)
        berlin.eval()

        berlin.set(28, 1, 59)
        before = berlin.simulator.books()["accepted"]
        berlin.home.hold_above(before + REQUESTS // 3, berlin.simulator)
        berlin.home.wait_for_accepted(before + REQUESTS // 3, berlin.home.start(*EVAL))
        berlin.home.kill()
        berlin.simulator.switch(hold_after=None)
        berlin.set(28, 3, 1)
        assert "NO BASELINE YET" in berlin.eval()
        paid = berlin.simulator.books()["accepted"] - before
        assert REQUESTS <= paid <= REQUESTS + IN_FLIGHT

        berlin.set(28, 2, 30)  # not on any clock there: 03:30 of summer time
        assert "has its verdict" in berlin.eval()
        assert berlin.simulator.books()["accepted"] - before == paid
        berlin.set(29, 0, 10)
        berlin.eval()
        assert berlin.nights() == ["sums@2027-03-27", "sums@2027-03-28", "sums@2027-03-29"]


def test_a_night_begun_before_midnight_is_carried_on_in_summer_time(tmp_path: Path) -> None:
    """It is younger than 20 hours by the clock that all share; no second night is begun."""
    with in_berlin(tmp_path, by_the_suite=True) as berlin:
        berlin.set(27, 23, 50)
        berlin.home.hold_above(REQUESTS // 3, berlin.simulator)
        berlin.home.wait_for_accepted(REQUESTS // 3, berlin.home.start(*EVAL))
        berlin.home.kill()
        berlin.simulator.switch(hold_after=None)
        berlin.set(28, 3, 5)
        assert "sums@2027-03-27 is not finished: it is carried on" in berlin.eval()
        assert berlin.nights() == ["sums@2027-03-27"]
        assert (
            night_ledger.check(
                berlin.home.database, tmp_path / "sums.2027-03-27", berlin.simulator.books(), crashed=True
            )
            == []
        )
