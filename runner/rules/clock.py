"""Whether this machine's clock is right, by the Date header that every reply of the API carries."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Final

from runner.rules.advice import Advice

OFF_S: Final = 30.0  # the header has whole seconds, and a reply may take its time


def skew_s(date: str | None, now_s: float) -> float:
    """Return by how much `now_s` (Unix time) is ahead of a Date header; 0 where that is missing or broken."""
    try:
        return now_s - parsedate_to_datetime(date or "").timestamp()
    except (ValueError, OverflowError):
        return 0.0


def advice(skew_s: float) -> Advice | None:
    """Return what to say of a clock that is so far ahead of the API's; None where that is near enough."""
    if abs(skew_s) <= OFF_S:
        return None
    way = "ahead of" if skew_s > 0 else "behind"
    told = f"this machine's clock is about {_span(abs(skew_s))} {way} the API's"
    return Advice(told, "set it: timedatectl set-ntp true")


def _span(seconds: float) -> str:
    for unit, length_s in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:,.0f} {unit}"
    return f"{seconds:.0f} s"
