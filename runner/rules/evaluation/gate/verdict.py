"""What is said of a night, and of each gate."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """What a gate says about a night, and what the night has by it."""

    PASSED = "passed"
    IMPROVED = "improved"
    REGRESSED = "regressed"
    NOT_PROVEN = "not_proven"  # that it is no worse
    NO_VERDICT = "no_verdict"  # too little was measured
    NO_BASELINE = "no_baseline"
    MEASURE_AGAIN = "measure_again"  # all of it, before an alarm is given
