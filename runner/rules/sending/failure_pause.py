"""When a run pauses because of failed jobs: all of the first 20 with one code, or --max-failures reached.

A run with labels pauses as well when its first 20 answers were all invalid: that shows at their first ask, so
a wrong schema costs 20 answers and not three times as many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.rules.counted import count
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

ALIKE_MIN: Final = 20
INVALID: Final = "invalid"  # the code of jobs that failed for it, and the kind of counter of such answers
FIRST: Final = "first"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailurePause:
    """Why a run should pause."""

    text: str  # a sentence without full stop
    once: bool  # do not pause for it a second time, if the user resumes the run


def reason_to_pause(
    counts: Mapping[tuple[str, str], int], max_failures: int | None, unit: str = "job"
) -> FailurePause | None:
    """Return why a run with these counters, by (kind, key), should pause; None if it should go on.

    `unit` is what a job is called: a row where the run labels a table.
    """
    failed = counts.get(("state", JobState.FAILED), 0)
    if max_failures is not None and failed >= max_failures:
        return FailurePause(
            text=f"{count(failed, unit)} failed, --max-failures is {max_failures}", once=False
        )
    others = sum(counts.get(("state", state), 0) for state in (JobState.SUCCEEDED, JobState.HELD))
    codes = {key: n for (kind, key), n in counts.items() if kind == "code" and n}
    text = _text(codes, others, count(failed, unit), invalid=counts.get((INVALID, FIRST), 0))
    return FailurePause(text=text, once=True) if text else None


def _text(codes: Mapping[str, int], others: int, failed: str, *, invalid: int) -> str | None:
    """Return what all of the first jobs had in common.

    `failed` is how many failed, in words; `invalid` counts invalid answers to a first ask.
    """
    if invalid >= ALIKE_MIN and not others and set(codes) <= {INVALID}:
        return f"all of the first {invalid} answers were invalid: the schema or the prompt may be wrong"
    code = common_failure_code(codes, others)
    return f"all of the first {failed} failed with {code}" if code else None


def common_failure_code(codes: Mapping[str, int], others: int) -> str | None:
    """Return the code that all settled jobs of a run failed with; None below 20 failures or if they differ.

    `codes` counts failed jobs by code; `others` counts jobs that succeeded or are held. One such job rules
    this out for the whole run.
    """
    found = [(code, n) for code, n in codes.items() if n]
    return found[0][0] if not others and len(found) == 1 and found[0][1] >= ALIKE_MIN else None
