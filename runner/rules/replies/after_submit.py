"""What follows a submit that brought no request_id: a refusal, or no reply at all.

Two decisions on plain values. `pause_after` comes first: how long all workers leave the bucket alone. Then
`after_submit`: how the job moves, and whether its run pauses.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from runner.rules.replies.reply_table import FIREWALL_PAGE, RATE_LIMITED, Outcome
from runner.rules.sending import retry
from runner.rules.sending.probes import PROBE_WAIT_S_MAX, UNAVAILABLE_AFTER
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from runner.rules.replies.reply import Classification
    from runner.rules.states import PauseReason

WITHOUT_ID_MAX: Final = 3  # submits in a row without a request_id, after which the run pauses
WITHOUT_ID: Final = "no-request-id"  # the code of a reply that is neither an error nor an acceptance
REFERENCE_GONE: Final = "reference-gone"
_COUNTED: Final = (Outcome.NOT_SENT, Outcome.REFUSED_FOR_NOW, Outcome.TRANSIENT, Outcome.AMBIGUOUS)
_OF_A_MOMENT: Final = (Outcome.AMBIGUOUS, Outcome.TRANSIENT)


class SubmitMove(StrEnum):
    """How the job moves: the names of moves in `db.moves.job_moves`."""

    NOT_SENT = "not_sent"
    REFUSED_FOR_NOW = "refused_for_now"
    REFUSED = "refused"
    AMBIGUOUS = "ambiguous"


class AttemptCost(StrEnum):
    """What an attempt without an answer may have cost."""

    NONE = "none"
    HIDDEN = "hidden"  # the refusal may hide an answer that was generated
    REFUSAL = "refusal"  # a fee, for some codes
    UNKNOWN = "unknown"  # all of it


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketPause:
    """A pause of a model's bucket for all workers. `is_shared`: False for a single failure of a moment."""

    pause_s: float
    is_shared: bool
    is_rate_limited: bool
    run_waits: bool  # so many failures in a row that the run is shown as waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPolicy:
    """What decides whether a job is sent again: its past, and the rules of its run."""

    spent: int
    extras: int
    max_attempts: int
    on_ambiguous: retry.OnAmbiguous


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitStep:
    """What to do about one submit. `wait_s`: until the job may be sent again.

    `is_bad` is what the circuit breaker records, None nothing. `of_a_value`: a field of this line is refused,
    so the run pauses if that happens to one job after the other.
    """

    move: SubmitMove
    target: JobState = JobState.PENDING
    code: str | None = None  # in place of the classification's
    wait_s: float = 0.0
    spent: int = 0
    cost: AttemptCost = AttemptCost.NONE
    pauses: PauseReason | None = None
    is_bad: bool | None = None
    of_a_value: bool = False


def is_counted(outcome: Outcome) -> bool:
    """Return whether a submit with this outcome is a failure of the service, not a refusal."""
    return outcome in _COUNTED


def pause_after(found: Classification, in_a_row: int, rng_unit: float, *, should_probe: bool) -> BucketPause:
    """Return the pause after a counted failure, the `in_a_row`th since the last accepted submit.

    Longer with each failure, as `retry.backoff_s`; at most PROBE_WAIT_S_MAX unless the API said how long.
    """
    pause_s = retry.backoff_s(in_a_row, rng_unit, found.retry_after_s)
    if found.retry_after_s is None:
        pause_s = min(pause_s, PROBE_WAIT_S_MAX)
    is_rate_limited = found.code == RATE_LIMITED
    return BucketPause(
        pause_s=pause_s,
        is_shared=should_probe or found.outcome not in _OF_A_MOMENT,
        is_rate_limited=is_rate_limited,
        run_waits=in_a_row >= UNAVAILABLE_AFTER and not is_rate_limited,
    )


def needs_path_check(found: Classification, status: int | None) -> bool:
    """Return whether to ask if the base URL is right: a 404 is the setting's fault, or this line's."""
    return found.outcome is Outcome.ACCOUNT and status == HTTPStatus.NOT_FOUND


def is_firewall_page(found: Classification) -> bool:
    """Return whether something before the API refused; if only this job, then for what it contains."""
    return found.outcome is Outcome.REFUSED_FOR_NOW and found.code == FIREWALL_PAGE


def after_submit(
    found: Classification,
    job: JobPolicy,
    *,
    pause_s: float,
    rng_unit: float,
    is_path_right: bool = False,
    is_content_filtered: bool = False,
) -> SubmitStep:
    """Return what follows. Not for accepted or answered submits, nor for a refused model.

    `pause_s`: of `pause_after`. `is_path_right`: the answer to `needs_path_check`. `is_content_filtered`: a
    firewall refuses this job alone.
    """
    match found.outcome:
        case Outcome.REFUSED_FOR_NOW:
            return _after_refused_for_now(found, pause_s, is_content_filtered=is_content_filtered)
        case Outcome.TRANSIENT:
            return _after_transient(found, job, rng_unit)
        case Outcome.ACCOUNT:
            return _after_account(found, is_path_right=is_path_right)
        case Outcome.NOT_SENT | Outcome.REFUSED | Outcome.VALUE_REFUSED:
            return _ALWAYS[found.outcome]
        case _:
            return _after_unknown_outcome(found, job)


def _after_refused_for_now(found: Classification, pause_s: float, *, is_content_filtered: bool) -> SubmitStep:
    if is_content_filtered:
        return _ended(JobState.HELD)
    cost = AttemptCost.HIDDEN if found.may_cost else AttemptCost.NONE
    return SubmitStep(move=SubmitMove.REFUSED_FOR_NOW, wait_s=pause_s, cost=cost)


def _after_account(found: Classification, *, is_path_right: bool) -> SubmitStep:
    """Pause the run; but a 404 where the path is right is about something that this line names."""
    if is_path_right:
        return _ended(JobState.HELD, code=REFERENCE_GONE, of_a_value=True)
    return SubmitStep(move=SubmitMove.REFUSED_FOR_NOW, pauses=found.reason)


def _after_transient(found: Classification, job: JobPolicy, rng_unit: float) -> SubmitStep:
    """Send a job again that was refused for a moment, or fail it when its attempts are spent."""
    spent = job.spent + 1
    if spent >= job.max_attempts:
        return _ended(JobState.FAILED)
    wait_s = retry.backoff_s(spent, rng_unit, found.retry_after_s)
    return SubmitStep(move=SubmitMove.REFUSED_FOR_NOW, wait_s=wait_s, spent=1)


def _after_unknown_outcome(found: Classification, job: JobPolicy) -> SubmitStep:
    target = retry.next_state(
        Event.AMBIGUOUS,
        attempts_spent=job.spent,
        extras=job.extras,
        max_attempts=job.max_attempts,
        on_ambiguous=job.on_ambiguous,
        retry_helps=retry.is_retryable(found.code),
    )
    return SubmitStep(move=SubmitMove.AMBIGUOUS, target=target, cost=AttemptCost.UNKNOWN, is_bad=True)


def _ended(target: JobState, *, code: str | None = None, of_a_value: bool = False) -> SubmitStep:
    return SubmitStep(
        move=SubmitMove.REFUSED,
        target=target,
        code=code,
        cost=AttemptCost.REFUSAL,
        is_bad=False,
        of_a_value=of_a_value,
    )


_ALWAYS: Final = {
    Outcome.NOT_SENT: SubmitStep(move=SubmitMove.NOT_SENT),
    Outcome.REFUSED: _ended(JobState.FAILED),
    Outcome.VALUE_REFUSED: _ended(JobState.HELD, of_a_value=True),
}
