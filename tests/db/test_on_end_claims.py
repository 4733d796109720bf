"""The --on-end notification of a night: claimed once for each verdict that differs from the last reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from night_driver import NightDriver
from run_driver import NOW_MS

from runner.db.evaluation import night_runs, nights, on_end_claims

if TYPE_CHECKING:
    from runner.db.evaluation.nights import NightRow
    from runner.db.session import Database


class Notified:
    """A night whose verdicts are reported; its clock is the same moment always."""

    def __init__(self, database: Database) -> None:
        self.driver = NightDriver(database)
        self.night: NightRow = self.driver.begin()
        options = orjson.dumps({"is_detached": True, "on_end": "true"})
        self.driver.write(nights.set_options, self.night.id, options)

    def end(self, verdict: str, *, is_regrade: bool = True) -> None:
        """Give the night a verdict, by default a further one."""
        assert self.driver.end(self.night, verdict, is_regrade=is_regrade)

    def claim(self, verdict: str, now_ms: int = NOW_MS) -> bool:
        """Claim the notification of a verdict."""
        claimed: bool = self.driver.write(on_end_claims.claim_on_end, self.night.id, verdict, now_ms)
        return claimed

    def uncalled(self) -> list[str]:
        """Return the verdicts that a worker would still report."""
        return [str(night.verdict) for night in self.driver.read(night_runs.uncalled_detached, 0)]


def test_a_verdict_is_claimed_once(database: Database) -> None:
    """And not before the end."""
    night = Notified(database)
    assert not night.claim("passed")
    night.end("passed", is_regrade=False)
    assert night.uncalled() == ["passed"]
    assert night.claim("passed")
    assert not night.claim("passed", NOW_MS + 9)
    assert night.uncalled() == []


def test_another_verdict_is_claimed_again(database: Database) -> None:
    """Regressed, then recovered, then regressed: three, whatever the clock says; the same again is none."""
    night = Notified(database)
    night.end("regressed", is_regrade=False)
    assert night.claim("regressed", NOW_MS + 50)
    for verdict in ("passed", "regressed"):
        night.end(verdict)
        assert night.uncalled() == [verdict]
        assert night.claim(verdict, NOW_MS - 50)
        night.end(verdict)
        assert night.uncalled() == []
        assert not night.claim(verdict)


def test_an_outdated_verdict_is_not_claimed(database: Database) -> None:
    """Another process has given a newer one meanwhile, and reports that."""
    night = Notified(database)
    night.end("no_verdict", is_regrade=False)
    night.end("passed")
    assert not night.claim("no_verdict")
    assert night.claim("passed")


def test_a_verdict_that_a_person_waits_for_counts_as_reported(database: Database) -> None:
    """The next other one is claimed; a night without any notification still has its first."""
    night = Notified(database)
    night.end("regressed", is_regrade=False)
    night.driver.write(on_end_claims.count_as_reported, night.night.id, NOW_MS)
    assert night.uncalled() == ["regressed"]
    assert night.claim("regressed")
    night.end("passed")
    night.driver.write(on_end_claims.count_as_reported, night.night.id, NOW_MS)
    assert night.uncalled() == []
    assert not night.claim("passed")
    night.end("regressed")
    assert night.claim("regressed")
