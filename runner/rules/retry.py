"""When a job is sent again, and how long it waits before that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from runner.rules.reply_table import SUBMIT, TOLD_NOT_TO_RETRY, Outcome
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from collections.abc import Container

BACKOFF_S_MAX: Final = 60.0
AUTOMATIC_EXTRAS_MAX: Final = 2  # of one job; from then on a person decides

OnAmbiguous = Literal["resubmit", "hold"]

_UNKNOWN_END: Final = (Event.AMBIGUOUS, Event.LOST)  # nobody can know whether it was paid, or got an end
_POINTLESS: Final[Container[str]] = {
    *(row.code for row in SUBMIT if row.outcome is Outcome.REFUSED),
    "reply-too-large",
    TOLD_NOT_TO_RETRY,
}


def backoff_s(n: int, rng_unit: float, retry_after_s: float | None = None) -> float:
    """Wait before the next try after `n` refusals in a row: full jitter below 1, 2, 4 ... 60 s.

    Where the API named a time, at least that, and up to a tenth more so that not all come back at once.
    `rng_unit` is chance, from 0 up to 1.
    """
    if retry_after_s is not None:
        return retry_after_s + rng_unit * max(0.1, 0.1 * retry_after_s)
    return rng_unit * min(BACKOFF_S_MAX, 2.0 ** min(max(n, 1) - 1, 10))


def decide(
    event: Event,
    *,
    attempts_spent: int,
    extras: int,
    max_attempts: int,
    on_ambiguous: OnAmbiguous,
    again_helps: bool = True,
) -> JobState:
    """Choose where a job goes after an attempt that gave it no end: PENDING, FAILED or HELD.

    `event` is AMBIGUOUS, LOST, UNUSABLE or GENERATION_FAILED; `attempts_spent` counts the one that
    just ended; `extras` are the automatic ones before it; `again_helps` is `retryable(code)`.
    The states are those the transition table allows: a lost one is never failed (its answer was paid for),
    a failed generation never held (the API has said how it ended).
    """
    if event in _UNKNOWN_END:
        may = on_ambiguous == "resubmit" and again_helps and extras < AUTOMATIC_EXTRAS_MAX
        return JobState.PENDING if may else JobState.HELD
    if attempts_spent >= max_attempts or not again_helps:
        return JobState.FAILED
    if extras < AUTOMATIC_EXTRAS_MAX:
        return JobState.PENDING
    return JobState.FAILED if event is Event.GENERATION_FAILED else JobState.HELD


def retryable(code: str) -> bool:
    """Say whether sending the same job again could end otherwise; False for the job's own faults."""
    return code not in _POINTLESS
