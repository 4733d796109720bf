"""When a run stops because its jobs fail: all alike from the start, or more than the user allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

ALIKE: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """A reason to pause, in a sentence; one that is `once` has been told when the user goes on after it."""

    text: str
    once: bool


def why(counts: Mapping[tuple[str, str], int], max_failures: int | None) -> Why | None:
    """Say why a run with these counters (by kind and key) should pause; None where it should not."""
    failed = counts.get(("state", JobState.FAILED), 0)
    if max_failures is not None and failed >= max_failures:
        return Why(text=f"{failed} jobs failed, --max-failures is {max_failures}", once=False)
    others = sum(counts.get(("state", state), 0) for state in (JobState.SUCCEEDED, JobState.HELD))
    codes = {key: n for (kind, key), n in counts.items() if kind == "code"}
    code = failing_alike(codes, others)
    return Why(text=f"all of the first {failed} jobs failed with {code}", once=True) if code else None


def failing_alike(codes: Mapping[str, int], others: int) -> str | None:
    """Give the one code that all settled jobs of a run failed with, from the twentieth on.

    `codes` counts failed jobs by code, `others` those that ended or are held without having failed. One
    job that did better shows for good that not all of them are bound to fail.
    """
    alike = [(code, n) for code, n in codes.items() if n]
    return alike[0][0] if not others and len(alike) == 1 and alike[0][1] >= ALIKE else None
