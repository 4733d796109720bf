"""Which night a command means, and which ones come before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from runner.db.evaluation import nights
from runner.rules.occasion import CARRY_ON_MS, day_word, days_beside, is_today

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.evaluation.nights import NightRow
    from runner.rules.evaluation.suite.suite import Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenNight:
    """The night that is meant. `carried_on` is its name where it began on the day before or after.

    `unfinished` are the nights of the suite to be finished before it, oldest first.
    """

    occasion: str
    unfinished: Sequence[NightRow]
    carried_on: str | None = None


def choose(connection: Connection, suite: Suite, word: str, now_ms: int, *, new: bool) -> ChosenNight:
    """Return the night that `--occasion WORD` means.

    `today` is the date of `now_ms` (the database's clock) in the suite's time zone, else in that of this
    machine. Where that day has no night yet, an unfinished one of the day before or after is meant that was
    begun less than 20 hours ago.
    """
    unfinished = nights.unfinished(connection, suite.name)
    occasion = _date(suite, now_ms) if is_today(word) else word
    beside = None
    if is_today(word) and not new and nights.find(connection, suite.name, occasion) is None:
        beside = _beside(unfinished, occasion, now_ms - CARRY_ON_MS)
    meant = occasion if beside is None else beside.occasion
    return ChosenNight(
        occasion=meant,
        unfinished=[one for one in unfinished if new or one.occasion != meant],
        carried_on=None if beside is None else beside.name,
    )


def _beside(unfinished: Sequence[NightRow], day: str, since_ms: int) -> NightRow | None:
    """Return the newest unfinished night of the day before or after, begun since a time; or None."""
    days = days_beside(day)
    found = [one for one in unfinished if one.occasion in days and one.created_at_ms >= since_ms]
    return found[-1] if found else None


def _date(suite: Suite, now_ms: int) -> str:
    moment = datetime.fromtimestamp(now_ms / 1000, tz=UTC)
    return day_word(moment.astimezone(None if suite.timezone is None else ZoneInfo(suite.timezone)))
