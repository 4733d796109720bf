"""Retry policy: whether a job is sent again, and after how long a backoff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from runner.rules.replies.reply_table import RETRY_FORBIDDEN, SUBMIT, Outcome
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from collections.abc import Container

BACKOFF_S_MAX: Final = 60.0
AUTOMATIC_EXTRAS_MAX: Final = 2  # of one job; after that the user decides

OnAmbiguous = Literal["resubmit", "hold"]

_MAYBE_PAID: Final = (Event.AMBIGUOUS, Event.LOST)  # the answer may exist and be paid for
_NOT_RETRYABLE: Final[Container[str]] = {
    *(row.code for row in SUBMIT if row.outcome is Outcome.REFUSED),
    "reply-too-large",
    RETRY_FORBIDDEN,
}


def backoff_s(n: int, rng_unit: float, retry_after_s: float | None = None) -> float:
    """Return the seconds to wait after `n` consecutive refusals: full jitter below 1, 2, 4 ... 60 s.

    If the API sent a Retry-After, at least that and up to a tenth more, so that not all jobs retry at the
    same moment. `rng_unit` is a random number from [0, 1).
    """
    if retry_after_s is not None:
        return retry_after_s + rng_unit * max(0.1, 0.1 * retry_after_s)
    return rng_unit * min(BACKOFF_S_MAX, 2.0 ** min(max(n, 1) - 1, 10))


def next_state(
    event: Event,
    *,
    attempts_spent: int,
    extras: int,
    max_attempts: int,
    on_ambiguous: OnAmbiguous,
    retry_helps: bool = True,
) -> JobState:
    """Return the next state of a job after an attempt without a usable answer: PENDING, FAILED or HELD.

    `event` is AMBIGUOUS, LOST, UNUSABLE or GENERATION_FAILED; `attempts_spent` includes the attempt that
    just ended; `extras` counts the automatic extras before it; `retry_helps` is `is_retryable(code)`.
    The transition table allows every result: a lost job never fails (its answer was paid for), and a failed
    generation is never held (the API reported its end).
    """
    if event in _MAYBE_PAID:
        resend = on_ambiguous == "resubmit" and retry_helps and extras < AUTOMATIC_EXTRAS_MAX
        return JobState.PENDING if resend else JobState.HELD
    if attempts_spent >= max_attempts or not retry_helps:
        return JobState.FAILED
    if extras < AUTOMATIC_EXTRAS_MAX:
        return JobState.PENDING
    return JobState.FAILED if event is Event.GENERATION_FAILED else JobState.HELD


def is_retryable(code: str) -> bool:
    """Return whether the same job sent again could end differently; False for faults of the job itself."""
    return code not in _NOT_RETRYABLE
