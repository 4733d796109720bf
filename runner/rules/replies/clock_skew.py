"""Clock skew of this machine, measured by the Date header of the API's replies."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Final

from runner.rules.advice import Advice

SKEW_MIN_S: Final = 30.0  # less is not reported: the header has whole seconds, and a reply takes time


def skew_s(date: str | None, now_s: float) -> float:
    """Return by how many seconds `now_s` (Unix time) is ahead of a Date header; 0 without a valid one."""
    try:
        return now_s - parsedate_to_datetime(date or "").timestamp()
    except (ValueError, OverflowError):
        return 0.0


def skew_advice(skew_s: float) -> Advice | None:
    """Return advice for a clock that is `skew_s` ahead of the API's; None up to SKEW_MIN_S."""
    if abs(skew_s) <= SKEW_MIN_S:
        return None
    way = "ahead of" if skew_s > 0 else "behind"
    what = f"this machine's clock is about {_span(abs(skew_s))} {way} the API's"
    return Advice(what, "set it: timedatectl set-ntp true")


def _span(seconds: float) -> str:
    for unit, length_s in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:,.0f} {unit}"
    return f"{seconds:.0f} s"
